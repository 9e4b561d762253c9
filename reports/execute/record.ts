import type { Device } from "../../src/index.js";
import type { FileDigest } from "../provenance/digests.js";
import type { Environment } from "../provenance/environment.js";
import type { Parameters } from "./parameters.js";
import type { UsedRun } from "./used-runs.js";

/** What a run leaves in `metadata.erpo.execution` of the notebook. */
export interface ExecutionRecord {
  /** ISO 8601. */
  started: string;
  seconds: number;
  /** SHA-256 of the cells' sources as they were run, parameters included. */
  source_sha256: string;
  /** `outputsSha256` of the outputs as the run has left them; absent until it has come to its end, and in records of before. */
  outputs_sha256?: string;
  parameters: Parameters;
  kernel: string;
  /** The kernel's working directory, relative to the written notebook's folder. */
  folder?: string;
  environment: Environment;
  /** What the notebook has computed on; absent where it has opened no device. */
  device?: Omit<Device, "reason">;
  /** Experiments that the parameters name and the notebook has used; absent where its kernel has not told. */
  runs?: UsedRun[];
  /** Other files that the notebook's code has read, as they were at its end, relative to the kernel's folder; packages, erpo's own files and the system's are left out. */
  files?: FileDigest[];
  /** Files that a comparison of runs has read, relative to the written notebook's folder. */
  compared?: FileDigest[];
  /** The last cell was reached and none failed where it must not. */
  complete: boolean;
  /** When the executed notebook was taken from the cache, ISO 8601; everything else is of the run itself. */
  cached?: string;
}
