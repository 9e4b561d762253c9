import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { bootstrap } from "./cli.js";
import { makeProject } from "./experiment.js";
import { code } from "./notebooks.js";

const makePipe = (path: string) => expect(spawnSync("mkfifo", [path]).status).toBe(0);

/** Without a signal: a command that waits in a read heeds none. */
const verify = (...args: string[]) =>
  spawnSync(process.execPath, [bootstrap, "verify", ...args], { encoding: "utf8", timeout: 60_000, killSignal: "SIGKILL" });

test("a pipe in the place of a report is refused at once", () => {
  const pipe = join(mkdtempSync(join(tmpdir(), "erpo-test-")), "rp.html");
  makePipe(pipe);
  const { status, stderr } = verify(pipe);
  expect(stderr).toBe(`erpo: ${pipe}: is a pipe or a device, not a report: give the file\n`);
  expect(status).toBe(1);
});

test("a notebook whose data have become a pipe is not run again", async () => {
  const source = 'import { readFileSync } from "node:fs";\nconsole.log(readFileSync("own.csv", "utf8"));';
  const project = await makeProject(
    [code('let runDir = "";\nlet modelName = "";\nlet seed = 1;', [], { tags: ["parameters"] }), code(source)],
    {
      "notebooks/own.csv": "1,2",
    },
  );
  rmSync(project.path("notebooks/own.csv"));
  makePipe(project.path("notebooks/own.csv"));
  const { status, stderr, stdout } = verify(project.report, "--rerun", "--force");
  expect(stderr).toMatch(/^erpo: not run again: \S*own\.csv is a pipe or a device, whose end the run may wait for: put the file back$/m);
  expect(stdout).toMatch(/^file +not found +\S*own\.csv$/m);
  expect(status).toBe(1);
});
