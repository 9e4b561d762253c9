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

/** The device asked for cannot be opened: which, why, and what mends it. */
export class DeviceError extends Error {
  override name = "DeviceError";
}
