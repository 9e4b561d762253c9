import { createRequire } from "node:module";
import type { MimeBundle } from "../../src/frontend/frontend.js";

/** What is used of a tf.Tensor or tf.Variable. */
interface Tensor {
  shape: number[];
  dtype: string;
  size: number;
  isDisposed: boolean;
  data(): Promise<unknown>;
  dataSync(): ArrayLike<number>;
  toString(): string;
}

const require = createRequire(import.meta.url);

/** Values are fetched from the device as text only below this size, as a picture only below that. */
const SMALL = 1000;
const PICTURE = 4_000_000;
/** What is lower or narrower is no picture. */
const MIN_SIDE = 16;

/** TensorFlow.js's tensors, by what they offer. */
export function isTensor(value: unknown): value is Tensor {
  const tensor = value as Partial<Tensor> | null | undefined;
  return (
    typeof tensor === "object" &&
    tensor !== null &&
    typeof tensor.dataSync === "function" &&
    Array.isArray(tensor.shape) &&
    typeof tensor.dtype === "string"
  );
}

/** Waits for values that the device gives to nobody who does not wait (WebGPU): then `tensorBundle` finds them. Undefined where it need not. */
export function awaited(value: unknown): Promise<unknown> | undefined {
  if (deviceName() !== "webgpu") return undefined;
  try {
    return isTensor(value) && !value.isDisposed && value.size <= PICTURE ? value.data().catch(() => {}) : undefined;
  } catch {
    return undefined; // whoever shows it meets the error again
  }
}

/** Text with shape and device, and a picture of what looks like one. */
export function tensorBundle(tensor: Tensor): MimeBundle {
  const bundle: MimeBundle = { "text/plain": tensorText(tensor) };
  const pixels = tensor.isDisposed ? undefined : rgba(tensor);
  if (pixels) {
    const { createCanvas, ImageData } = require("canvas") as typeof import("canvas"); // loaded at the first picture
    const [height, width] = tensor.shape as [number, number];
    const canvas = createCanvas(width, height);
    canvas.getContext("2d").putImageData(new ImageData(pixels, width, height), 0, 0);
    bundle["image/png"] = canvas.toBuffer("image/png");
  }
  return bundle;
}

const deviceName = () => (globalThis as { _tfengine?: { backendName?: string } })._tfengine?.backendName;

/** `Tensor float32 [2, 3] on tensorflow`, and the values of a small one. */
function tensorText(tensor: Tensor): string {
  const device = deviceName();
  const title = `${tensor.constructor.name} ${tensor.dtype} [${tensor.shape.join(", ")}]${device ? ` on ${device}` : ""}`;
  if (tensor.isDisposed) return `${title} (disposed)`;
  if (tensor.size > SMALL) return `${title}, ${tensor.size} values`;
  const values = tensor.toString().split("\n").slice(1); // the first line is tfjs's own title
  return [title, ...values].join("\n");
}

/** The pixels of a tensor `[height, width, 1 | 3 | 4]` whose values are whole in 0..255 (int32) or in 0..1 (float32); undefined for others. */
function rgba(tensor: Tensor): Uint8ClampedArray | undefined {
  const [height = 0, width = 0, channels = 0] = tensor.shape;
  if (tensor.shape.length !== 3 || ![1, 3, 4].includes(channels)) return undefined;
  if (Math.min(height, width) < MIN_SIDE || tensor.size > PICTURE || !["int32", "float32"].includes(tensor.dtype)) return undefined;
  const top = tensor.dtype === "int32" ? 255 : 1;
  const values = tensor.dataSync();
  for (let i = 0; i < values.length; i++) if (!(values[i]! >= 0 && values[i]! <= top)) return undefined;
  const pixels = new Uint8ClampedArray(4 * height * width).fill(255);
  for (let i = 0; i < height * width; i++) {
    for (let c = 0; c < 3; c++) pixels[4 * i + c] = (255 / top) * values[i * channels + (channels === 1 ? 0 : c)]!;
    if (channels === 4) pixels[4 * i + 3] = (255 / top) * values[4 * i + 3]!;
  }
  return pixels;
}
