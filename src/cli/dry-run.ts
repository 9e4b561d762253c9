import { type Device, isGpu, openDevice } from "../backend/device.js";
import { durations, durationsWithSecond, inWords, totalSeconds } from "../methods/erpo/duration.js";
import { footprintOptions, largestPart } from "../methods/erpo/memory.js";
import { plan } from "../methods/erpo/plan.js";
import type { DecoderConfig } from "../model/config.js";
import { adapterParameters, footprint, multipliedParameters, parameters, processBytes, tensorBytes } from "../model/footprint.js";
import { checkModel } from "../model/load.js";
import type { Profile } from "../runs/profile.js";
import { findBinding, variants } from "../setup/binding.js";
import { busyCores, holdsWhile } from "../setup/busy.js";
import { deviceMemory, measure } from "../setup/doctor.js";
import { inBytes } from "../setup/files.js";
import { erpoCommand } from "../setup/paths.js";
import { withoutNative } from "../setup/ready.js";
import { paysBeside } from "./beside.js";
import { alignedLines } from "./output.js";

/** What a job is run on. */
interface Machine {
  device: Pick<Device, "name" | "precision">;
  /** Bytes that the device computes in; null where it does not say. */
  memory: number | null;
  /** Its speed, as `measure` says. */
  gflops: number;
  /** Whether a second process computes its part beside the notebooks. */
  second: boolean;
  /** How many cores other work kept busy before, in words (`busyCores`). */
  busy: string | null;
  /** Why it computes without native TensorFlow, which set-up would bring; null where it has it, or does without. */
  unready: string | null;
}

/** A dry run of a profile: opens the device, measures it for a second and reads the model's shape. */
export async function inspect(profile: Profile, model: string): Promise<string> {
  const config = await checkModel(model);
  const device = await openDevice({ precision: "bf16" }); // as runs do
  const busy = await busyCores();
  const [{ gflops }, second] = [await measure(), await paysBeside(profile, model)];
  return describe(profile, model, config, { device, memory: deviceMemory(device), gflops, second, busy, unready: unready() });
}

/** Why native TensorFlow is not there where set-up would bring it. */
function unready(): string | null {
  const binding = withoutNative() || variants().length === 0 ? "" : findBinding();
  return typeof binding === "string" && binding !== "" ? binding : null;
}

/** What a profile computes with a model: shapes, tokens, time, memory and disk, and whether the device holds it. */
export function describe(
  profile: Profile,
  model: string,
  config: DecoderConfig,
  { device, memory, gflops, second, busy, unready }: Machine,
): string {
  const options = footprintOptions(profile, config, device.precision === "bf16" && !isGpu(device));
  const { adaptedLayers } = options;
  const numbers = adapterParameters(config, profile.rank, adaptedLayers);
  const adapter = 4 * numbers; // bytes, as stored
  const checkpoint = 3 * adapter; // with both moments
  const notebooks = plan(profile).map(({ notebook, work }) => ({
    notebook,
    work: work.map((part) => ({ ...part, bytes: footprint(config, part, options) })),
  }));
  const all = notebooks.flatMap(({ work }) => work);
  const largest = largestPart(profile, config, options.halves);
  const need = processBytes(largest.bytes);
  const seconds = totalSeconds((second ? durationsWithSecond : durations)(plan(profile), gflops, multipliedParameters(config)));
  const trained = all.filter(({ kind }) => kind === "train");

  const rows = [
    ["", "", "rows x longest", "tokens", "weights", "adapter", "activations", "logits", "cache", "all"],
    ...notebooks.flatMap(({ notebook, work }) => [
      [notebook, ...Array<string>(9).fill("")],
      ...work.map(({ name, kind, rows, prompt, completion, tokens, bytes }) => [
        `  ${name}`,
        kind,
        `${rows} x (${prompt} + ${completion})`,
        tokens.toLocaleString("en"),
        ...[bytes.weights, bytes.adapter, bytes.activations, bytes.logits, bytes.cache, tensorBytes(bytes)].map((n) =>
          n === 0 ? "-" : inBytes(n),
        ),
      ]),
    ]),
  ];
  const fits =
    memory === null
      ? "the device does not say how much it has"
      : `${need <= memory ? "fits" : "does not fit"} the ${inBytes(memory)} of the device`;
  return [
    `profile   ${profile.name}`,
    `model     ${model}: ${config.numLayers} layers, ${config.hiddenSize} channels, ${config.numHeads} heads, ${config.vocabSize} tokens; ${millions(parameters(config))} parameters`,
    `adapter   rank ${profile.rank} on the last ${adaptedLayers} layers: ${millions(numbers)} parameters, ${inBytes(adapter)}`,
    `device    ${device.name}, ${device.precision}`,
    "",
    ...alignedLines(rows, 2),
    "",
    `time      about ${inWords(seconds)} at ${gflops.toPrecision(3)} GFLOP/s, ${holdsWhile(busy)}`,
    `memory    ${largest.name} takes most: about ${inBytes(need)} with the process and its libraries; ${fits}`,
    `disk      a checkpoint takes ${inBytes(checkpoint)}; two of each of ${trained.length} stages, and the adapters: ${inBytes(trained.length * (2 * checkpoint + adapter) + adapter)}`,
    ...(unready === null
      ? []
      : [`set-up    ${unready}: these are numbers of another device; run \`${erpoCommand()} setup\` first, and this again`]),
    "",
  ].join("\n");
}

const millions = (n: number): string => `${(n / 1e6).toPrecision(3)} million`;
