import { cpus } from "node:os";

export const median = (xs: readonly number[]): number => [...xs].sort((a, b) => a - b)[xs.length >> 1]!;

/** Where and when figures were measured. */
export const machine = (): string =>
  `${cpus()[0]!.model}, ${cpus().length} cores, Node ${process.versions.node}, ${new Date().toISOString().slice(0, 10)}`;
