import type { VegaLiteSpec } from "./spec.js";

/** Letters of a line below a figure. */
const LINE = 80;

/** How a figure or table is called where a frontend shows no captions, as prose refers to it: `@fig-loss: Loss over steps.` */
export const calledAs = (label: string | undefined, caption: string | undefined): string =>
  [label && `@${label}`, caption].filter(Boolean).join(": ");

/** A specification with its label and caption below the picture, or below the title that it has: JupyterLab draws it and shows neither. */
export function captioned(spec: VegaLiteSpec, label: string | undefined, caption: string | undefined): VegaLiteSpec {
  const text = lines(calledAs(label, caption));
  if (text.length === 0) return spec;
  const { title } = spec;
  if (title === undefined)
    return { ...spec, title: { text, orient: "bottom", anchor: "start", fontSize: 12, fontWeight: "normal", offset: 16 } };
  return {
    ...spec,
    title: { subtitle: text, ...(typeof title === "string" || Array.isArray(title) ? { text: title } : (title as object)) },
  };
}

/** Text in lines that break at spaces. */
const lines = (text: string): string[] =>
  text
    .split(/\s+/)
    .filter(Boolean)
    .reduce<string[]>((all, word) => {
      const last = all.at(-1);
      if (last !== undefined && last.length + word.length < LINE) all.splice(-1, 1, `${last} ${word}`);
      else all.push(word);
      return all;
    }, []);
