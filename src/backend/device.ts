import { findBinding } from "../setup/binding.js";
import { erpoCommand } from "../setup/paths.js";
import { multipliesBf16, openCpu } from "./devices/cpu.js";
import { type AskedPrecision, type Device, DeviceError } from "./devices/device.js";
import { inPrecision, openTensorflow } from "./devices/tensorflow.js";
import { openWasm } from "./devices/wasm.js";
import { isNativeWanted, opened } from "./native-first.js";

export { type AskedPrecision, type Device, DeviceError } from "./devices/device.js";

type Log = (line: string) => void;

/** Kept on the global object: the native library's settings belong to the process, however many copies of this module it holds. */
const state = globalThis as { [opened]?: { device: Promise<Device>; precision: AskedPrecision; early?: true } };
const mend = `\`${erpoCommand()} setup\` mends it`;

/**
 * Opens the best device there is, once in a process: native TensorFlow, on an NVIDIA GPU where its build has CUDA, else WebGPU on a real GPU, else
 * WebAssembly, else plain JavaScript. `ERPO_BACKEND` = `tensorflow`, `webgpu`, `wasm` or `cpu` forces one. Downloads and builds nothing.
 *
 * @param options.precision fixed when the device opens; "f32" by default; "bf16" is a permission, which only some processors use; "bf16 everywhere" lets other processors compute what those do, in float32 products of
 *   rounded factors, for numbers that were begun there
 * @param options.log receives a line when another device than native TensorFlow is opened
 * @throws DeviceError when a forced device does not open, or when another precision is asked for later
 */
export async function openDevice(options: { precision?: AskedPrecision; log?: (line: string) => void } = {}): Promise<Device> {
  const { precision, log = () => {} } = options;
  const before = state[opened];
  if (!before) {
    const device = open(precision ?? "f32", log);
    state[opened] = { device, precision: precision ?? "f32" };
    device.catch(() => delete state[opened]);
    return device;
  }
  if (before.early) {
    const device = before.device.then((early) => inPrecision(early, precision ?? "f32"));
    state[opened] = { device, precision: precision ?? "f32" };
    return device;
  }
  if (precision !== undefined && precision !== before.precision && !isMet(precision, await before.device)) {
    throw new DeviceError(
      `the device is open with precision ${before.precision}, which is fixed for the process: for ${precision} begin a new one with \`await openDevice({ precision: "${precision}" })\`, before a model is loaded`,
    );
  }
  return before.device;
}

/** Whether an open device does already what is asked for; to permit BF16 asks nothing of one that cannot use it. */
function isMet(asked: AskedPrecision, device: Device): boolean {
  if (device.precision === (asked === "f32" ? "f32" : "bf16")) return true;
  return asked === "bf16" && !(device.kind === "tensorflow" && (isGpu(device) || multipliesBf16()));
}

/**
 * Opens native TensorFlow for code that uses TensorFlow.js without asking for a device, as cells of a notebook do: in float32, until `openDevice` says otherwise. Does nothing where
 * a device is open or forced, where the native library does not load, and beside an NVIDIA card, whose precision is fixed for the process when the library loads.
 */
export async function openNativeEarly(): Promise<void> {
  if (state[opened]) await state[opened].device.catch(() => {});
  if (!isNativeWanted()) return;
  const device = openNative("", "f32", () => {});
  state[opened] = { device, precision: "f32", early: true };
  await device.catch(() => delete state[opened]);
}

type Way = (reason: string, precision: AskedPrecision, log: Log) => Promise<Device>;

/** How each kind is opened. Throws an error that says why it cannot be. */
const ways: Record<Device["kind"], Way> = {
  tensorflow: openNative,
  webgpu: async (reason) => (await findGpu()).open(reason),
  wasm: openWasm,
  cpu: openCpu,
};

async function open(precision: AskedPrecision, log: Log): Promise<Device> {
  const forced = process.env.ERPO_BACKEND;
  if (forced !== undefined) return openForced(forced, precision, log);
  const causes: string[] = [];
  for (const way of [openNative, openRealGpu, openWasm, openCpu]) {
    try {
      const device = await way(causes.join("; "), precision, log);
      if (causes.length > 0) log(`${causes.join("; ")}; ${mend}; going on with ${device.library}${slowness[device.kind]}`);
      return device;
    } catch (error) {
      causes.push(firstLine(error));
    }
  }
  throw new DeviceError(causes.join("; "));
}

const slowness = { tensorflow: "", webgpu: "", wasm: ", which is several times slower", cpu: ", which is very slow" };

async function openForced(kind: string, precision: AskedPrecision, log: Log): Promise<Device> {
  const kinds = Object.keys(ways);
  if (!kinds.includes(kind)) throw new DeviceError(`ERPO_BACKEND is "${kind}": use ${kinds.slice(0, -1).join(", ")} or ${kinds.at(-1)}`);
  try {
    return await ways[kind as Device["kind"]](`ERPO_BACKEND=${kind}`, precision, log);
  } catch (error) {
    throw new DeviceError(`${firstLine(error)}${kind === "tensorflow" ? `; ${mend}` : ""}`);
  }
}

async function openNative(reason: string, precision: AskedPrecision, log: Log): Promise<Device> {
  const binding = findBinding();
  if (typeof binding === "string") throw new Error(binding);
  const device = await openTensorflow(binding, precision, reason).catch((error) => {
    throw new Error(`native TensorFlow does not load: ${firstLine(error)}`);
  });
  if (precision === "f32" && device.precision !== "f32") log("matrix products round below float32 here, although that was switched off");
  return device;
}

/** WebGPU where it is faster than WebAssembly. */
async function openRealGpu(reason: string): Promise<Device> {
  const gpu = await findGpu();
  if (gpu.software) throw new Error(`WebGPU finds no GPU, only ${gpu.name}`);
  return gpu.open(reason);
}

const findGpu = async () => (await import("./devices/webgpu.js")).findGpu();
const firstLine = (error: unknown): string => (error as Error).message.split("\n")[0]!;

/** Whether a device has memory of its own. */
export const isGpu = ({ name }: Pick<Device, "name">): boolean => name.startsWith("NVIDIA");
