import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const require = createRequire(import.meta.url);

/** Arimo is what the figures are laid out with. */
const ARIMO = [
  ["400Regular/Arimo_400Regular", "normal", 400],
  ["400Regular_Italic/Arimo_400Regular_Italic", "italic", 400],
  ["700Bold/Arimo_700Bold", "normal", 700],
  ["700Bold_Italic/Arimo_700Bold_Italic", "italic", 700],
] as const;

/** The text font goes with STIX Two Math, in which formulas stand. */
const TEXT = ["400", "400-italic", "700", "700-italic"].map((face) => `@fontsource/stix-two-text/${face}.css`);

/** Style rules that carry the fonts of a printed page, so that it looks the same on every machine. */
export function fontCSS(): string {
  const arimo = ARIMO.map(([file, style, weight]) => {
    const font = dataURL(require.resolve(`@expo-google-fonts/arimo/${file}.ttf`), "font/ttf");
    return `@font-face{font-family:Arimo;font-style:${style};font-weight:${weight};src:url(${font})}`;
  });
  return [...arimo, ...TEXT.map(inlined), 'body{font-family:"STIX Two Text",serif}'].join("");
}

/** A font package's style sheet with its files inside. */
function inlined(name: string): string {
  const file = require.resolve(name);
  return readFileSync(file, "utf8")
    .replace(/, url\(\.\/files\/[\w-]+\.woff\) format\('woff'\)/g, "") // the same for older browsers
    .replace(/\.\/files\/[\w-]+\.woff2/g, (path) => dataURL(join(dirname(file), path), "font/woff2"));
}

const dataURL = (file: string, mime: string) => `data:${mime};base64,${readFileSync(file).toString("base64")}`;
