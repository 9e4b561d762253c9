/** Characters from which on a cell holds a phrase, and a text to read. */
const PHRASE = 12;
const LONG = 40;

/**
 * Says how a browser may lay out the cells of tables: those with a phrase or a long text have the class `phrase` or `long`, which keep their columns from being squeezed, and an
 * interval such as `[0.46, 0.58]` stays on one line.
 *
 * @param html as `sanitizeHTML` writes it: balanced, `<` and `>` escaped in text and attributes
 */
export const layOutCells = (html: string): string =>
  html.replace(/<td((?: [^>]*)?)>(.*?)<\/td>/gs, (_, attributes: string, content: string) => {
    const { length } = content.replace(/<[^>]*>/g, "");
    const kind = attributes.includes(" class=") || length < PHRASE ? "" : ` class="${length < LONG ? "phrase" : "long"}"`;
    return `<td${attributes}${kind}>${content.replace(/(\[[^\s<>[\]]+,) ([^\s<>[\]]+\])/g, "$1&nbsp;$2")}</td>`;
  });
