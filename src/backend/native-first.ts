import { findBinding, nvidiaDriver } from "../setup/binding.js";
import { loadLibrary } from "./devices/native-library.js";

/** Under this key the global object holds the device, once it is open. */
export const opened = Symbol.for("erpo.device");

/** Whether code that asks for no device is to get native TensorFlow: none is open or forced, and there is no NVIDIA card, whose precision would be fixed for the process. */
export const isNativeWanted = (): boolean => !(opened in globalThis) && process.env.ERPO_BACKEND === undefined && !nvidiaDriver();

let tried = false;

/**
 * What `openNativeEarly` does, at once, for code that cannot wait: `require`, and files that import TensorFlow.js themselves. This module loads nothing of TensorFlow.js before that. The device counts as open
 * when somebody asks for it.
 */
export function loadNativeFirst(): void {
  if (tried || !isNativeWanted()) return;
  tried = true;
  const binding = findBinding();
  if (typeof binding === "string") return;
  try {
    loadLibrary(binding, "f32");
  } catch {
    // TensorFlow.js goes on in JavaScript
  }
}
