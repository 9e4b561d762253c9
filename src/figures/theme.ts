/**
 * Series colours that people with any colour vision tell apart: the four of Okabe and Ito (2008) that are not too pale for white, a brown
 * and a periwinkle. Any two differ by a CIEDE2000 of 12 at least for trichromats, protanopes, deuteranopes and tritanopes (Machado et al.
 * 2009). Each has a contrast of at least 3:1 on white and on the report's dark background.
 */
export const palette = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#7C5F49", "#7984F0"] as const;

/** Text and axes. The report replaces it by the page's own text colour, so that figures follow light and dark. */
export const INK = "#24292f";

/** Grid lines and domains. */
export const RULE = "#d0d7de";

/** Arimo has Arial's metrics: text keeps its width in a reader that has one of the others only. */
export const FONT = "Arimo, Arial, 'Liberation Sans', Helvetica, sans-serif";

/** The one configuration of all figures: plots so wide that a phone shows them whole, with text that can still be read. A specification's own `config` wins, key by key. */
export const theme: Record<string, unknown> = {
  background: "white",
  font: FONT,
  padding: 4,
  view: { stroke: null, continuousWidth: 400, continuousHeight: 220 },
  range: { category: [...palette], ordinal: { scheme: "blues" }, ramp: { scheme: "blues" }, heatmap: { scheme: "viridis" } },
  title: { anchor: "start", color: INK, fontSize: 13, fontWeight: 700, subtitleColor: INK, subtitleFontSize: 12, offset: 8 },
  axis: {
    labelColor: INK,
    titleColor: INK,
    domainColor: INK,
    tickColor: INK,
    gridColor: RULE,
    labelFontSize: 12,
    titleFontSize: 12,
    titleFontWeight: 400,
    titlePadding: 8,
    tickSize: 4,
    labelOverlap: true,
    labelFlush: false,
  },
  axisX: { grid: false },
  axisY: { domain: false, ticks: false, tickCount: 6 },
  header: { labelColor: INK, titleColor: INK, labelFontSize: 12, titleFontSize: 12, labelFontWeight: 700, titleFontWeight: 400 },
  legend: {
    orient: "top",
    direction: "horizontal",
    labelColor: INK,
    titleColor: INK,
    labelFontSize: 12,
    titleFontSize: 12,
    titleFontWeight: 400,
    symbolStrokeWidth: 2,
    labelLimit: 260,
  },
  mark: { color: palette[0] },
  line: { strokeWidth: 2 },
  rule: { color: INK, strokeWidth: 1.5 },
  text: { color: INK, fontSize: 12 },
  point: { filled: true, size: 50 },
  bar: { color: palette[0] },
};
