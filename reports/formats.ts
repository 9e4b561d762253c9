/** The formats of reports, as `--to` names them. */
export const formats = ["html"] as const;

export type Format = (typeof formats)[number];
