import { readFileSync } from "node:fs";
import { z } from "zod";
import { isSpecial } from "../../src/setup/files.js";
import { NotebookError } from "../notebook/types.js";
import type { Provenance } from "./collect.js";
import { sha256 } from "./digests.js";
import { START, UNSEALED } from "./seal.js";

/** What a report says of itself. */
export interface SealedReport {
  provenance: Provenance;
  /** The page around the provenance is as it was written. */
  intact: boolean;
}

const text = z.string().optional();
const file = z.looseObject({ file: z.string(), sha256: z.string() });

/** The parts that a check reads; a report may come from a stranger. */
const sealed = z.looseObject({
  format: z.literal(1),
  page_sha256: z.string(),
  notebook: file,
  run: file
    .extend({
      record: z.record(z.string(), z.unknown()),
      files: z.record(z.string(), z.string()),
      lengths: z.record(z.string(), z.number()).default({}),
      present: z.array(z.string()).optional(),
    })
    .optional(),
  read: z.array(file.extend({ length: z.number().optional() })).optional(),
  compared: z.array(file).optional(),
  cells: z.array(z.looseObject({ cell: z.number(), outputs: z.array(z.string()) })),
  execution: z
    .looseObject({
      kernel: text,
      folder: text,
      complete: z.boolean().optional(),
      source_sha256: text,
      outputs_sha256: text,
      parameters: z.record(z.string(), z.unknown()).optional(),
      environment: z.looseObject({ commit: text, code_sha256: text, lockfile_sha256: text }).optional(),
      device: z.looseObject({ name: z.string(), library: z.string(), precision: z.string() }).optional(),
    })
    .optional(),
});

/**
 * Reads the provenance of a report.
 * @throws NotebookError `REPORT.html: cause` when it is no report, or its provenance was changed
 */
export function readReport(path: string): SealedReport {
  const fail = (cause: string): never => {
    throw new NotebookError(`${path}: ${cause}`);
  };
  let html: string;
  try {
    if (isSpecial(path)) return fail("is a pipe or a device, not a report: give the file");
    html = readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof NotebookError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    return fail(code === "ENOENT" ? "no such file" : code === "EISDIR" ? "is a folder, not a report" : `cannot be read (${code})`);
  }
  const start = html.lastIndexOf(START);
  if (start < 0) return fail("not a report of a notebook by `erpo report`: it holds no provenance");
  const [whole, seal, json] = /^([0-9a-f]{64})">([^<]*)<\/pre>/.exec(html.slice(start + START.length)) ?? [];
  if (whole === undefined) return fail("its provenance is damaged; render the report again");
  if (sha256(json!) !== seal) return fail("its provenance was changed after the report was written; render the report again");
  let provenance: z.infer<typeof sealed>;
  try {
    provenance = sealed.parse(JSON.parse(json!));
  } catch {
    return fail("its provenance has a form that this version of erpo does not know; render the report again");
  }
  const page = html.slice(0, start) + UNSEALED + html.slice(start + START.length + whole.length);
  return { provenance: provenance as unknown as Provenance, intact: sha256(page) === provenance.page_sha256 };
}
