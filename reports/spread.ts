import { columnFormat } from "../src/figures/numbers.js";
import type { Spread } from "../src/index.js";

/** Numbers of one measure in words, with the same decimals: `0.62 ± 0.03 [0.55, 0.69], n = 3`; of one run `0.62, n = 1`; nothing where there is none. */
export function spreadsInWords(found: readonly (Spread | undefined)[]): string[] {
  const { format } = columnFormat(
    found.flatMap((spread) => (spread ? [spread.mean, ...(spread.n > 1 ? [spread.low, spread.high] : [])] : [])),
  );
  return found.map((spread) => {
    if (!spread || spread.n === 0) return "";
    const { n, mean, sd, low, high } = spread;
    return n < 2 ? `${format(mean)}, n = 1` : `${format(mean)} ± ${format(sd)} [${format(low)}, ${format(high)}], n = ${n}`;
  });
}
