import * as tf from "@tensorflow/tfjs";
import { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import { type Device, DeviceError } from "./device.js";

/** What is used of npm's `webgpu`, which is Dawn, Chromium's WebGPU, for Node. */
interface Dawn {
  create(options: string[]): { requestAdapter(options: { powerPreference: "high-performance" }): Promise<Adapter | null> };
  /** WebGPU's classes and constants by the names that a browser gives them. */
  globals: Record<string, unknown>;
}

interface Adapter {
  /** Names of the hardware and of its driver; a fallback adapter computes on the processor. */
  info: { vendor: string; device: string; description: string; isFallbackAdapter: boolean };
  limits: Record<string, number>;
  requestDevice(options: { requiredLimits: Record<string, number> }): Promise<GPUDevice>;
}

/** A GPU that WebGPU can use. */
export interface Gpu {
  /** True where it is a program on the processor, such as SwiftShader, slower than WebAssembly. */
  software: boolean;
  name: string;
  open(reason: string): Promise<Device>;
}

/**
 * Looks for a GPU.
 * @throws Error in one line when there is none, or no library to ask
 */
export async function findGpu(): Promise<Gpu> {
  const dawn = await loadDawn();
  const gpu = dawn.create([]);
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) throw new Error("WebGPU finds no GPU");
  const { vendor, device, isFallbackAdapter: software } = adapter.info;
  const name = device || vendor;
  const open = async (reason: string): Promise<Device> => {
    Object.assign(globalThis, dawn.globals);
    const requiredLimits = Object.fromEntries(LIMITS.map((limit) => [limit, adapter.limits[limit]!]));
    const backend = makeBackend(gpu, await adapter.requestDevice({ requiredLimits }), adapter);
    tf.registerBackend("webgpu", () => backend);
    await tf.setBackend("webgpu");
    await tf.ready();
    return {
      kind: "webgpu",
      name,
      library: `TensorFlow.js WebGPU ${tf.version_core}, ${adapter.info.description}`,
      reason,
      precision: "f32",
    };
  };
  return { software, name, open };
}

/** Limits that a device has at their lowest unless it is asked for more, and that tfjs's programs go up to. */
const LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupStorageSize",
  "maxComputeWorkgroupsPerDimension",
];

async function loadDawn(): Promise<Dawn> {
  if (process.platform === "linux") requireLibrary("libvulkan.so.1"); // without it Dawn writes a warning to the terminal
  try {
    return await import("webgpu" as string); // an optional dependency: what is compiled must not need it
  } catch (error) {
    throw new Error(`WebGPU does not load: ${(error as Error).message.split("\n")[0]}`);
  }
}

/** @throws Error when the system's loader does not find a shared library */
function requireLibrary(name: string): void {
  try {
    process.dlopen({ exports: {} }, name);
  } catch (error) {
    const { message } = error as Error; // that the library is no addon of Node's comes after it has been loaded
    if (!message.startsWith("Module did not self-register")) throw new Error(`WebGPU finds no GPU: ${message.split("\n")[0]}`);
  }
}

/** tfjs looks for `navigator.gpu` while the backend is made. Afterwards it is as before: libraries take a navigator for a browser. */
function makeBackend(gpu: object, device: GPUDevice, { info }: Adapter): Backend {
  const before = Object.getOwnPropertyDescriptor(globalThis, "navigator");
  Object.defineProperty(globalThis, "navigator", { value: { gpu }, configurable: true });
  try {
    return new Backend(gpu, device, info as unknown as GPUAdapterInfo);
  } finally {
    if (before) Object.defineProperty(globalThis, "navigator", before);
    else delete (globalThis as { navigator?: unknown }).navigator;
  }
}

/** Graphics memory, in bytes, that waits to be used again at most. */
const IDLE_BYTES = 512e6;

/** tfjs's backend, which says what it cannot do and lets go of memory. */
class Backend extends WebGPUBackend {
  #failure: string | undefined;

  /** @param gpu what `create` made: Dawn lives as long as something holds it */
  constructor(
    readonly gpu: object,
    device: GPUDevice,
    info: GPUAdapterInfo,
  ) {
    super(device, info);
    device.onuncapturederror = (event) => {
      event.preventDefault(); // else Dawn writes it to the terminal
      this.#failure ??= event.error.message;
    };
    void device.lost.then(({ message }) => {
      this.#failure ??= message;
    });
    this.#boundIdleMemory();
  }

  override readSync(dataId: object): tf.backend_util.BackendValues {
    const { values } = this.tensorMap.get(dataId);
    if (values) return values;
    throw new DeviceError("WebGPU gives a tensor's values only to those who wait: call `await tensor.data()` before what reads them");
  }

  /** @throws DeviceError when any operation before has failed, since WebGPU goes on with zeros */
  override async read(dataId: object): Promise<tf.backend_util.BackendValues> {
    const values = await super.read(dataId);
    if (this.#failure !== undefined)
      throw new DeviceError(`WebGPU has failed; restart the kernel or the process: ${this.#failure.split("\n")[0]}`);
    return values;
  }

  /** Released buffers wait for tensors of exactly their size, and rows of text have many sizes: beyond a bound all that wait are freed. */
  #boundIdleMemory(): void {
    const buffers = this.bufferManager as unknown as {
      freeBuffers: Map<string, GPUBuffer[]>;
      numFreeBuffers: number;
      numBytesUsed: number;
      numBytesAllocated: number;
      releaseBuffer(buffer: GPUBuffer, reuse?: boolean): void;
    };
    const release = buffers.releaseBuffer.bind(buffers);
    buffers.releaseBuffer = (buffer, reuse) => {
      release(buffer, reuse);
      if (buffers.numBytesAllocated - buffers.numBytesUsed <= IDLE_BYTES) return;
      for (const idle of buffers.freeBuffers.values()) {
        for (const buffer of idle.splice(0)) {
          buffers.numBytesAllocated -= buffer.size;
          buffer.destroy();
        }
      }
      buffers.numFreeBuffers = 0;
    };
  }
}
