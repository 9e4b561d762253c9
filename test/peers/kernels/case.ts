import type { KernelUnderTest } from "./kernels-env.js";
import type { PeerKernel } from "./peer-kernel.js";

/** Cells of a case: those of a kernel where it has its own, else those of its language. A kernel that has neither lacks the feature. */
export type Snippets = Partial<Record<KernelUnderTest["name"] | KernelUnderTest["language"], readonly string[]>>;

/** One row of the table. */
export interface Case {
  feature: string;
  snippets: Snippets;
  /** Tries it. Resolves to what the table says behind "yes", if anything. @throws Lack saying what does not work */
  check(kernel: PeerKernel, cells: readonly string[]): Promise<string | undefined>;
}

/** The cells that a kernel is given; undefined where it has no interface for the case. */
export const cellsFor = ({ snippets }: Case, { name, language }: KernelUnderTest): readonly string[] | undefined =>
  snippets[name] ?? snippets[language];
