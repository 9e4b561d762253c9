import { z } from "zod";
import { isRecord } from "../../src/setup/json.js";
import type { RunFiles } from "./files.js";

/** One stage of training in a run's folder, or a round of stage 3. */
export interface Stage {
  /** Its folder within the run; "." where `erpo train` has written into the run's folder itself. */
  name: string;
  /** Steps of training as metrics.jsonl has them, one object a step, in order. */
  steps: Step[];
  /** Settings of its training by name; of `erpo train` those of train.json. */
  settings: Record<string, unknown>;
  /** Profile of the run at the time, from stage.json. */
  profile: Record<string, unknown>;
  /** Digests of what was trained on: the rows and their order. */
  trainedOn: Record<string, unknown>;
  /** The decision read off on the dev set. */
  dev?: DevScore;
  /** Of a round of stage 3: whether the gate kept it, and why. */
  round?: { kept: boolean; reason: string };
}

export type Step = { step: number } & Record<string, number>;

const interval = z.object({ value: z.number(), low: z.number(), high: z.number() });
const devSchema = z.object({ auc: interval, balancedAccuracy: z.number() });
export type DevScore = z.infer<typeof devSchema>;
const roundSchema = z.object({ kept: z.boolean(), reason: z.string() });

/** Folders that hold no stages of the main job: related methods have trainings of their own, which another run need not have. */
const others = /^(?:checkpoint-\d+|tmp-.*|data|evaluation|methods|notebooks|reports)$/;

/** The stages of a run: every folder with the metrics of a training, without those of related methods. */
export function readStages(files: RunFiles): Stage[] {
  const folders = files
    .list("", (name) => others.test(name))
    .filter((path) => /(?:^|\/)metrics\.jsonl$/.test(path))
    .map((path) => path.replace(/\/?metrics\.jsonl$/, ""));
  return folders.map((folder) => readStage(files, folder)).sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
}

function readStage(files: RunFiles, folder: string): Stage {
  const inside = (name: string) => (folder ? `${folder}/${name}` : name);
  const steps = files.lines(inside("metrics.jsonl")).filter((row): row is Step => typeof row.step === "number");
  const through = files.json(inside("stage.json"));
  const trained = files.json(inside("train.json"));
  if (trained) delete trained.output_dir;
  const finished = folder ? through !== undefined : files.has("adapter_model.safetensors");
  if (!finished) files.faults.push(`${folder || "."}: the training is not through (steps so far: ${steps.length})`);
  const { settings, trainedOn } = keptSettings(files, inside("identity.json")) ?? checkpointSettings(files, folder);
  const dev = files.parsed(inside("dev.json"), devSchema);
  const round = files.parsed(inside("round.json"), roundSchema);
  return {
    name: folder || ".",
    steps,
    settings: trained ?? settings,
    profile: isRecord(through?.profile) ? through.profile : {},
    trainedOn,
    ...(dev && { dev }),
    ...(round && { round }),
  };
}

type TrainedWith = Pick<Stage, "settings" | "trainedOn">;

/** What the identity says that was noted beside the stage. Model, rules and seed are the run's, and what it starts from is another stage. */
function keptSettings(files: RunFiles, path: string): TrainedWith | undefined {
  const identity = files.json(path)?.identity;
  if (!isRecord(identity)) return undefined;
  const { objective, optimizer, rows, batches, model: _, rules: __, seed: ___, from: ____, ...others } = identity;
  const fields = (value: unknown) => (isRecord(value) ? value : {});
  return { settings: { ...others, ...fields(optimizer), ...fields(objective) }, trainedOn: digests(rows, batches) };
}

/** What the newest checkpoint says, of stages that nothing is noted beside. A branch shares no checkpoints. */
function checkpointSettings(files: RunFiles, folder: string): TrainedWith {
  const checkpoints = files
    .list(folder, (name) => !/^checkpoint-\d+$/.test(name))
    .filter((path) => /(?:^|\/)checkpoint-\d+\/state\.json$/.test(path));
  const newest = checkpoints.at(-1);
  const state = newest ? files.json(newest) : undefined;
  const { data, batches, model: _, ...settings } = isRecord(state?.settings) ? state.settings : {};
  return { settings, trainedOn: digests(data, batches) };
}

const digests = (rows: unknown, order: unknown) => ({ ...(rows !== undefined && { rows }), ...(order !== undefined && { order }) });
