/** Jupyter counts Unicode code points, JavaScript UTF-16 code units: an emoji is one of the former and two of the latter. */

/** The index in code units of the code point number `points`; beyond the end it is the end. */
export function toCodeUnits(text: string, points: number): number {
  let units = 0;
  for (let n = 0; n < points && units < text.length; n++) units += text.codePointAt(units)! > 0xffff ? 2 : 1;
  return units;
}

/** The number of code points before index `units`. */
export function toCodePoints(text: string, units: number): number {
  let points = 0;
  for (let at = 0; at < units; points++) at += text.codePointAt(at)! > 0xffff ? 2 : 1;
  return points;
}
