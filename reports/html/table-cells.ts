/** Characters from which on a cell holds a phrase, and a text to read. */
const PHRASE = 12;
const LONG = 40;

/**
 * Says how a browser may lay out the cells of tables: those with a phrase or a long text have the class `phrase` or `long`, which keep their columns from being squeezed, and an
 * interval such as `[0.46, 0.58]` stays on one line. A cell that holds a table is left as it is.
 *
 * @param html as `sanitizeHTML` writes it: balanced, `<` and `>` escaped in text and attributes
 */
export function layOutCells(html: string): string {
  const [before, ...cells] = html.split("<td");
  return [before, ...cells.map(laidOut)].join("<td");
}

/** @param cell from behind `<td` up to the next cell */
function laidOut(cell: string): string {
  const [start, end] = [cell.indexOf(">") + 1, cell.indexOf("</td>")];
  if (end < 0) return cell;
  const [attributes, content] = [cell.slice(0, start - 1), cell.slice(start, end)];
  const { length } = content.replace(/<[^>]*>/g, "");
  const kind = attributes.includes(" class=") || length < PHRASE ? "" : ` class="${length < LONG ? "phrase" : "long"}"`;
  return `${attributes}${kind}>${content.replace(/(\[[^\s<>[\]]+,) ([^\s<>[\]]+\])/g, "$1&nbsp;$2")}${cell.slice(end)}`;
}
