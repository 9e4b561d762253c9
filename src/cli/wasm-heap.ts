import { type Device, DeviceError } from "../backend/device.js";
import { largestPart } from "../methods/erpo/memory.js";
import type { DecoderConfig } from "../model/config.js";
import type { Profile } from "../runs/profile.js";
import { inBytes } from "../setup/files.js";

/** Bytes that WebAssembly can address, and the share of them that gaps between tensors leave. */
const HEAP = 2 ** 32;
const USABLE = 0.9;

/**
 * Whether a profile's work fits the memory of a device that is WebAssembly, before anything is computed; other devices say themselves what they cannot do.
 * @throws DeviceError that names the part which does not fit, and a change of the profile that does where there is one: attacks have the longest prompts
 */
export function checkHeap({ kind }: Pick<Device, "kind">, profile: Profile, config: DecoderConfig): void {
  const { name, bytes } = largestPart(profile, config, false);
  if (kind !== "wasm" || bytes <= USABLE * HEAP) return;
  const withAttacks = (attackPrompts: number): Profile => ({ ...profile, evaluation: { ...profile.evaluation, attackPrompts } });
  const fitting = [48, 24, 12, 6].find((count) => largestPart(withAttacks(count), config, false).bytes <= USABLE * HEAP);
  const change = `"evaluation": {"attackPrompts": ${fitting}}`;
  throw new DeviceError(
    `WebAssembly has ${inBytes(HEAP)} of memory, and "${name}" of the ${profile.name} profile needs ${inBytes(bytes)}: ${fitting ? `a profile with ${change} fits (--profile FILE.json)` : "take a smaller model"}, or take a machine with native TensorFlow or a GPU`,
  );
}
