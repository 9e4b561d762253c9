/** Pixels of a plot, as the theme has them, and about as many of a letter, and of a symbol with what stands around it. */
const [PLOT, LETTER, SYMBOL] = [400, 6.2, 34];

/**
 * A legend of as many columns as make it no wider than a plot: a phone then shows the figure whole.
 * @param labelLimit pixels at which a label is cut
 */
export function wrappedLegend(labels: readonly string[], labelLimit: number): { columns: number; labelLimit: number } {
  const widths = labels.map((label) => SYMBOL + Math.min(labelLimit, LETTER * label.length));
  /** A column is as wide as its widest entry. */
  const width = (columns: number) =>
    Array.from({ length: columns }, (_, column) => Math.max(...widths.filter((_, i) => i % columns === column)));
  let columns = Math.max(1, labels.length);
  while (columns > 1 && width(columns).reduce((sum, one) => sum + one, 0) > PLOT) columns--;
  return { columns, labelLimit };
}
