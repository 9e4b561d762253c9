/**
 * Text as GitHub-flavoured Markdown that shows it: no markup, no HTML, no mathematics. Runs of space become one; what would begin a block at
 * the start of a paragraph is left to `atStart`. Addresses are no links: GitHub's links would take the backslash before a `<`.
 */
export const escapeMarkdown = (text: string): string =>
  text
    .replace(/\s+/g, " ")
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
    .replace(/[\u0000-\u0008\u000e-\u001f\u007f]|\p{Cs}/gu, "\ufffd")
    .replace(/[\\`*[\]$~|]|(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])|(?<=:)\/(?=\/)|(?<=\bwww)\.|(?<=[\w.+-])@(?=\w)/giu, "\\$&")
    .replace(/&(?=[#\w]+;)/g, "&amp;")
    .replaceAll("<", "&lt;");

/** The text of a picture: some readers take an escaped bracket in it for its end. */
export const altText = (text: string): string => escapeMarkdown(text).replaceAll("\\[", "&#91;").replaceAll("\\]", "&#93;");

/** A paragraph whose first characters are no heading, list, quotation or rule. */
export const atStart = (paragraph: string): string =>
  paragraph.replace(/^(\s*)([#>+=-]|\d{1,9}(?=[.)]))/, (_, space: string, mark: string) =>
    /\d/.test(mark) ? `${space}${mark}\\` : `${space}\\${mark}`,
  );

/** Code in a line, with as many backticks around it as it takes. */
export function codeSpan(code: string): string {
  const text = code.replace(/\s+/g, " ");
  const fence = "`".repeat(longestRun(text) + 1);
  const space = /^`|`$|^ .* $/.test(text) ? " " : "";
  return text.trim() ? `${fence}${space}${text}${space}${fence}` : "";
}

/** Code as a block. */
export function codeBlock(code: string, language: string): string {
  const fence = "`".repeat(Math.max(3, longestRun(code) + 1));
  return `${fence}${language.replace(/[^\w+#-]/g, "")}\n${code.replace(/\r\n?/g, "\n")}\n${fence}`;
}

const longestRun = (text: string): number => Math.max(0, ...(text.match(/`+/g) ?? []).map(({ length }) => length));

/** The address of a link or picture, safe between parentheses; no character reference in it is read. */
export const linkTarget = (href: string): string =>
  encodeURI(href.replace(/\p{Cs}/gu, "\ufffd"))
    .replaceAll("%25", "%")
    .replace(/[()<>"'`*[\]|$\\]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
    .replace(/&(?=[#\w]+;)/g, "&amp;");
