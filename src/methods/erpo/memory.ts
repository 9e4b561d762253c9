import type { DecoderConfig } from "../../model/config.js";
import { type FootprintOptions, footprint, tensorBytes } from "../../model/footprint.js";
import type { Profile } from "../../runs/profile.js";
import { plan } from "./plan.js";

/** The adapter that a profile trains, and whether products are of BF16 numbers, as `footprint` takes them. */
export function footprintOptions({ rank, firstLayer }: Profile, { numLayers }: DecoderConfig, halves: boolean): FootprintOptions {
  return { rank, adaptedLayers: numLayers - Math.floor(firstLayer * numLayers), halves };
}

/** The part of a profile's work that takes most memory, and the bytes of its tensors. */
export function largestPart(profile: Profile, config: DecoderConfig, halves: boolean): { name: string; bytes: number } {
  const options = footprintOptions(profile, config, halves);
  const parts = plan(profile).flatMap(({ work }) =>
    work.map((part) => ({ name: part.name, bytes: tensorBytes(footprint(config, part, options)) })),
  );
  return parts.reduce((a, b) => (b.bytes > a.bytes ? b : a));
}
