import { CJK } from "../../src/setup/fonts.js";

/** A script that LaTeX's own fonts lack. */
interface Script {
  /** Of its command: letters. */
  name: string;
  holds: RegExp;
  /** Fonts in the order of preference, and fontspec's options for them. */
  fonts: readonly string[];
  options?: string;
  /** What its text needs besides: the direction, letters that join. */
  setup?: string;
  /** Debian's package that has one of them. */
  package: string;
}

const SCRIPTS: readonly Script[] = [
  {
    name: "cjk",
    holds: CJK,
    fonts: ["Noto Serif CJK SC", "Noto Sans CJK SC", "Droid Sans Fallback"],
    package: "fonts-noto-cjk",
  },
  {
    name: "arabic",
    holds: /\p{scx=Arab}/u,
    fonts: ["Noto Naskh Arabic", "Noto Sans Arabic"],
    options: "Script=Arabic",
    setup: "\\textdir TRT\\let\\missing=\\joined",
    package: "fonts-noto-core",
  },
  {
    name: "hebrew",
    holds: /\p{scx=Hebr}/u,
    fonts: ["Noto Serif Hebrew", "Noto Sans Hebrew"],
    options: "Script=Hebrew",
    setup: "\\textdir TRT\\let\\missing=\\joined",
    package: "fonts-noto-core",
  },
  {
    name: "devanagari",
    holds: /\p{sc=Deva}/u,
    fonts: ["Noto Serif Devanagari", "Noto Sans Devanagari"],
    options: "Script=Devanagari,Renderer=HarfBuzz",
    setup: "\\let\\missing=\\joined",
    package: "fonts-noto-core",
  },
  {
    name: "emoji",
    holds: /\p{Extended_Pictographic}/u,
    fonts: ["Noto Color Emoji", "Noto Emoji"],
    options: "Renderer=HarfBuzz",
    package: "fonts-noto-color-emoji",
  },
];

/** Between two words of one script: spaces and marks. Digits are read from the left everywhere. */
const BETWEEN = "[ .,:;!?]{0,9}";
const RUN = new RegExp(`\\\\missing\\{[0-9A-F]{4,6}\\}(?:${BETWEEN}\\\\missing\\{[0-9A-F]{4,6}\\})*`, "g");

/**
 * Text whose characters LaTeX's own fonts lack, which is a `\missing` for each, in groups of one script: LuaLaTeX sets these in Noto's fonts where it finds them, pdfLaTeX prints code points.
 * @returns the content, and what the preamble needs for it; nothing where there are no such characters
 */
export function withScripts(content: string): { content: string; preamble: string } {
  const used = new Set<Script>();
  const grouped = content.replace(RUN, (run) =>
    groups(run.split(/(?<=\})/))
      .map(({ script, text }) => {
        if (!script) return text;
        used.add(script);
        return `\\script{${script.name}}{${text}}`;
      })
      .join(""),
  );
  return used.size ? { content: grouped, preamble: preamble([...used]) } : { content, preamble: "" };
}

/** Neighbours of the same script together; what stands between two words belongs to their script where it is one that is read from the right, or a space. */
function groups(characters: readonly string[]): { script: Script | undefined; text: string }[] {
  const result: { script: Script | undefined; text: string }[] = [];
  for (const character of characters) {
    const code = String.fromCodePoint(Number.parseInt(/[0-9A-F]+/.exec(character)![0], 16));
    const script = SCRIPTS.find(({ holds }) => holds.test(code));
    const last = result.at(-1);
    const between = character.slice(0, character.indexOf("\\"));
    if (last && last.script === script && (between.trim() === "" || script?.setup?.includes("TRT"))) last.text += character;
    else if (between) result.push({ script: undefined, text: between }, { script, text: character.slice(between.length) });
    else result.push({ script, text: character });
  }
  return result;
}

function preamble(scripts: readonly Script[]): string {
  const fonts = scripts.flatMap(({ name, fonts, options = "" }) => fonts.map((font) => `  \\findfont{${name}}{${font}}{${options}}`));
  const setups = scripts.map(
    ({ name, setup = "\\let\\missing=\\breakable" }) => `  \\expandafter\\def\\csname setup${name}\\endcsname{${setup}}`,
  );
  const packages = [...new Set(scripts.map((script) => script.package))].join(" ");
  return `% Other scripts: LuaLaTeX sets them in the first of these fonts that it finds (apt-get install ${packages}); else they are code points.
\\DeclareRobustCommand{\\script}[2]{#2}
\\pdfstringdefDisableCommands{\\def\\script#1#2{#2}\\def\\missing#1{U+#1}}
\\ifluatex
  \\usepackage{fontspec}
  \\newcommand{\\joined}[1]{\\char"#1\\relax}
  \\newcommand{\\breakable}[1]{\\joined{#1}\\allowbreak}
  \\newcommand{\\findfont}[3]{\\ifcsname font#1\\endcsname\\else\\IfFontExistsTF{#2}{\\expandafter\\newfontfamily\\csname font#1\\endcsname{#2}[#3]}{}\\fi}
${fonts.join("\n")}
${setups.join("\n")}
  \\DeclareRobustCommand{\\script}[2]{\\ifcsname font#1\\endcsname{\\csname font#1\\endcsname\\csname setup#1\\endcsname#2}\\else#2\\fi}
\\fi
`;
}
