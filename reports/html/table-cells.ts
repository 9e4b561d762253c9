/** Characters from which on a cell holds a phrase, and a text to read; a term has fewer. */
const PHRASE = 14;
const LONG = 40;

/**
 * Says how a browser may lay out the cells of tables: those with a phrase or a long text have the class `phrase` or `long`, which keep their columns from being squeezed, and a
 * term of several words, such as `naive SFT` or `look-alike`, stays on one line (`term`), as does an interval such as `[0.46, 0.58]`. A cell that holds a table is left as it is.
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
  const kind = attributes.includes(" class=") ? undefined : kindOf(content.replace(/<[^>]*>/g, ""));
  return `${attributes}${kind ? ` class="${kind}"` : ""}>${content.replace(/(\[[^\s<>[\]]+,) ([^\s<>[\]]+\])/g, "$1&nbsp;$2")}${cell.slice(end)}`;
}

function kindOf(text: string): string | undefined {
  if (text.length >= PHRASE) return text.length < LONG ? "phrase" : "long";
  return /\S[ -]\S/.test(text) && /\p{L}/u.test(text) ? "term" : undefined;
}
