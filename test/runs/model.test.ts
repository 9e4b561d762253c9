import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { fixture } from "../model/open.js";
import { openTiny, runsFolder } from "./tiny-run.js";

const folder = runsFolder();
afterAll(folder.remove);

const edit = (file: string, change: (json: { model: Record<string, unknown> }) => object) =>
  writeFileSync(file, JSON.stringify(change(JSON.parse(readFileSync(file, "utf8")))));

test("a run is of one model: its weights with another configuration, and a record of weights alone, are refused", async () => {
  const run = await openTiny(folder.path("run"));
  const record = JSON.parse(readFileSync(run.path("run.json"), "utf8"));
  expect(record.model).toEqual({ name: "llama-tiny", sha256: run.model.sha256, digest: run.model.digest });

  const copy = folder.path("llama-tiny");
  cpSync(fixture("llama-tiny"), copy, { recursive: true });
  await openTiny(run.dir, { model: copy }); // the same model elsewhere
  edit(join(copy, "config.json"), (json) => ({ ...json, rms_norm_eps: 0.01 }));
  const weights = run.model.sha256.slice(0, 12);
  await expect(openTiny(run.dir, { model: copy })).rejects.toThrow(
    new RegExp(
      `holds a run with model llama-tiny \\(weights ${weights}, with .* \\w{12}\\), not llama-tiny \\(weights ${weights}, with .*: open it with the model as it was, or choose another folder`,
    ),
  );

  edit(run.path("run.json"), ({ model: { digest: _, ...model }, ...json }) => ({ ...json, model }));
  await expect(openTiny(run.dir)).rejects.toThrow(
    `${run.dir} holds a run that noted only the weights of its model llama-tiny, not its configuration and chat template: choose another`,
  );
});
