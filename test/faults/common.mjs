// What the parts of `npm run test:faults` share: the command line as a process that may be killed, and the table's rows.
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export const root = join(import.meta.dirname, "../..");
export const model = join(root, "test/fixtures/llama-tiny");
export const base = mkdtempSync(join(tmpdir(), "erpo-faults-"));

/** `erpo WORDS`; with `killAfter` ms it is ended by SIGKILL. */
export function erpo(words, { killAfter, env = {}, cwd = base } = {}) {
  return new Promise((done) => {
    const script = `import { run } from ${JSON.stringify(join(root, "dist/src/cli/main.js"))}; process.exitCode = await run(process.argv.slice(1));`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", script, ...words], {
      cwd,
      env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: "3", ERPO_FAULTS: base, ...env },
    });
    let said = "";
    child.stderr.on("data", (data) => (said += data));
    child.stdout.on("data", () => {});
    const killed = new AbortController();
    if (killAfter !== undefined)
      sleep(killAfter, undefined, { signal: killed.signal }).then(
        () => child.kill("SIGKILL"),
        () => {},
      );
    child.on("close", (code, signal) => {
      killed.abort();
      done({ code, signal, said: said.trim() });
    });
  });
}

/** Processes that commands have started and that still run: a kernel has the command's environment. Needs Linux's /proc. */
export function leftBehind() {
  const running = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return running.filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/environ`, "latin1").includes(`ERPO_FAULTS=${base}`);
    } catch {
      return false; // it has ended, or is another user's
    }
  });
}

/** A row per thing that is tried. */
const rows = new Map();

/** Notes a try. @param wrong what did not hold; undefined where all did */
export function note(name, began, wrong) {
  const row = rows.get(name) ?? { name, tries: 0, held: 0, seconds: 0, seen: [] };
  row.tries++;
  row.seconds += (performance.now() - began) / 1000;
  if (wrong === undefined) row.held++;
  else row.seen.push(wrong);
  rows.set(name, row);
}

/** Notes what could not be tried, and why. */
export const skip = (name, why) => rows.set(name, { name, tries: 0, held: 0, seconds: 0, seen: [`skipped: ${why}`] });

/** The table, and whether everything held. */
export function table() {
  const cells = [...rows.values()].map(({ name, tries, held, seconds, seen }) =>
    [name, tries, held, seconds.toFixed(0), seen[0] ?? ""].map(String),
  );
  const all = [["tried", "tries", "held", "s", "seen"], ...cells];
  const widths = all[0].map((_, i) => Math.max(...all.map((row) => row[i].length)));
  const text = all.map((row) =>
    row
      .map((cell, i) => (i === 0 || i === 4 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
      .join("  ")
      .trimEnd(),
  );
  return { text: text.join("\n"), held: [...rows.values()].every(({ tries, held }) => tries === held) };
}

export function write(path, text) {
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, typeof text === "string" ? text : text.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return path;
}

/** One line that begins with `erpo: `, as a failure is to be said. */
export const isOneLine = (said) => /^erpo: [^\n]+$/.test(said);
export const run = spawnSync;
export const read = (path) => readFileSync(path, "latin1");
