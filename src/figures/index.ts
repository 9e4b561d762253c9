/** Figures, tables and named numbers for notebooks and their reports. Light to import: Vega is loaded at the first figure. */

export { type Figure, type FigureOptions, figure } from "./figure.js";
export { type Slider, type SliderFigure, sliders } from "./sliders.js";
export { FigureError, type Row, type VegaLiteSpec } from "./spec.js";
export { type CurveFields, intervalCurves } from "./specs/interval-curves.js";
export { type IntervalFields, intervals } from "./specs/intervals.js";
export { lengthDistribution } from "./specs/length-distribution.js";
export { type RunsOptions, runCurves, runIntervals } from "./specs/runs.js";
export { searchTree, type TreeRow } from "./specs/search-tree.js";
export { type TokenStrip, tokenStrips } from "./specs/token-strip.js";
export { trainingCurves } from "./specs/training-curves.js";
export { type Frame, type TableOptions, table } from "./table.js";
export { palette } from "./theme.js";
export { type ValueOptions, value } from "./value.js";
export { type View, type ViewedTurn, viewer } from "./viewer.js";
