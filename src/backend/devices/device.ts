/** What this process computes on. */
export interface Device {
  kind: "tensorflow" | "webgpu" | "wasm" | "cpu";
  /** the hardware, as people call it */
  name: string;
  /** the library that computes, with its version, and whether our kernels work in it: sums differ in their last bits */
  library: string;
  /** why this one, in one line */
  reason: string;
  /** "bf16" when products with frozen matrices round their inputs to BF16, or all products do (on NVIDIA cards to TF32); "f32" when nothing does */
  precision: "f32" | "bf16";
}

/** What matrix products may be: "bf16" is a permission, which a processor uses that multiplies BF16; with "bf16 everywhere" others round as those do. */
export type AskedPrecision = Device["precision"] | "bf16 everywhere";

/** The device asked for cannot be opened: which, why, and what mends it. */
export class DeviceError extends Error {
  override name = "DeviceError";
}
