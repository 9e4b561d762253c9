// `npm run test:faults`: kills, full disks, two processes on one folder and hostile servers, tried on the command line for at most ten minutes.
//     ERPO_FAULTS_SEED=7 npm run test:faults
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { createRng } from "../../dist/src/backend/random.js";
import { commands } from "./commands.mjs";
import { base, erpo, isOneLine, leftBehind, note, run, skip, table, write } from "./common.mjs";

const seed = Number(process.env.ERPO_FAULTS_SEED ?? Date.now() % 100_000);
const rng = createRng(seed);
const began = performance.now();
const remaining = () => 550_000 - (performance.now() - began); // ms
let folders = 0;
const folder = () => {
  const dir = join(base, `f${++folders}`);
  mkdirSync(dir);
  return dir;
};
/** The table of what was tried so far, also where somebody has had enough. */
function end() {
  const { text, held } = table();
  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  process.stdout.write(`seed ${seed} (ERPO_FAULTS_SEED), ${seconds} s\n${text}\n`);
  run("umount", [join(base, "disk")]);
  rmSync(base, { recursive: true, force: true });
  process.exit(held ? 0 : 1);
}
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, end);
const leftovers = (dir) => readdirSync(dir, { recursive: true }).filter((name) => /\.(lock|tmp|trial)$/.test(name));

/** Each command's result without a fault, and how long it takes. */
const whole = new Map();
for (const { name, words, result } of commands) {
  const dir = folder();
  const since = performance.now();
  const { code, said } = await erpo(words(dir));
  if (code !== 0) throw new Error(`${name} fails without any fault: ${said}`);
  whole.set(name, { bytes: result(dir), ms: performance.now() - since });
}

/** Again, to the end: the same bytes, and nothing left beside them. */
async function endsAs(name, dir, { words, result }) {
  const { code, said } = await erpo(words(dir));
  if (code !== 0) return `then exit code ${code}: ${said}`;
  if (result(dir) !== whole.get(name).bytes) return "then other bytes";
  const beside = leftovers(dir);
  return beside.length > 0 ? `then ${beside[0]} is left` : undefined;
}

// Two processes that write one folder: each is done or says who writes it.
for (const command of commands) {
  const since = performance.now();
  const dir = folder();
  const both = await Promise.all([erpo(command.words(dir)), erpo(command.words(dir))]);
  const bad = both.find(({ code, said }) => code !== 0 && !/^erpo: .*being written by another run/.test(said));
  const none = both.every(({ code }) => code !== 0);
  note(
    `two at once: ${command.name}`,
    since,
    bad ? bad.said.slice(0, 200) : none ? "neither came to its end" : await endsAs(command.name, dir, command),
  );
}

// A disk that is full.
const disk = join(base, "disk");
mkdirSync(disk);
const isMounted = run("mount", ["-t", "tmpfs", "-o", "size=8k", "tmpfs", disk]).status === 0;
if (!isMounted) skip("full disk", "mounting a file system needs root");
else {
  skip("full disk: train", "test/training/full-disk.test.ts tries it");
  for (const command of commands.filter(({ name }) => name !== "train")) {
    const since = performance.now();
    run("sh", ["-c", `rm -rf ${disk}/* ${disk}/.[!.]*; dd if=/dev/zero of=${disk}/ballast bs=1k count=${rng.integer(0, 8)}`]);
    run("mount", ["-o", "remount,size=8k", disk]);
    const { code, said } = await erpo(command.words(disk));
    const lock = leftovers(disk);
    const wrong =
      code === 0
        ? undefined
        : code !== 1 || !isOneLine(said)
          ? `exit code ${code}: ${said.slice(0, 200)}`
          : lock[0] && `${lock[0]} is left`;
    run("sh", ["-c", `rm -f ${disk}/ballast`]);
    run("mount", ["-o", "remount,size=64m", disk]);
    note(`full disk: ${command.name}`, since, wrong ?? (await endsAs(command.name, disk, command)));
  }
  run("umount", [disk]);
}

// Servers that mean no good: the command ends in one line.
const say = (response, text, headers = {}) => response.writeHead(200, { "content-type": "application/json", ...headers }).end(text);
const answer = (more) => JSON.stringify({ choices: [{ index: 0, finish_reason: "stop", text: "a" }], ...more });
const hostile = {
  "a body without an end": (response) => {
    response.writeHead(200, { "content-type": "application/json" });
    const go = () => response.destroyed || (response.write("[".repeat(1 << 20)), setTimeout(go, 1));
    go();
  },
  "a gzip bomb": (response) => say(response, gzipSync(Buffer.alloc(1 << 28)), { "content-encoding": "gzip" }),
  "another host": (response) => response.writeHead(307, { location: "http://127.0.0.2:9/v1/completions" }).end(),
  "no counts of tokens": (response) => say(response, answer({ usage: { completion_tokens: -1 } })),
  "no JSON": (response) => say(response, "\u001b]0;title\u0007<html>"),
  "control characters": (response) =>
    response.writeHead(400, { "content-type": "application/json" }).end('{"error":{"message":"\\u001b[2J\\u0007"}}'),
};
let behave;
const server = createServer((_, response) => behave(response)).listen(0, "127.0.0.1");
await new Promise((done) => server.once("listening", done));
const one = write(join(base, "one.jsonl"), [{ prompt: "p" }]);
for (const [name, does] of Object.entries(hostile)) {
  const since = performance.now();
  behave = does;
  const url = `http://127.0.0.1:${server.address().port}/v1`;
  const { code, said } = await erpo([
    "generate",
    "--endpoint",
    url,
    "--model",
    "m",
    "--prompts",
    one,
    "--output",
    join(folder(), "out.jsonl"),
  ]);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  const clean = isOneLine(said) && !/[\u0000-\u0008\u000b-\u001f\u007f]/.test(said);
  note(`endpoint: ${name}`, since, code === 1 && clean ? undefined : `exit code ${code}: ${JSON.stringify(said.slice(0, 200))}`);
}
server.closeAllConnections();
server.close();

skip("kill -9: start, methods run", "test/cli/start.test.ts and test/methods/killed*.test.ts try it, for minutes");
skip("kill -9: verify, annotate read, runs, chat, doctor", "they write nothing of a user's");
// Kills at random moments, until the time is over: the command again gives the bytes of one that was not killed.
const longest = 4 * Math.max(...[...whole.values()].map(({ ms }) => ms)); // of a round: kills and the last run
const rounds = Number(process.env.ERPO_FAULTS_ROUNDS ?? Number.POSITIVE_INFINITY);
for (let i = 0; i < rounds * commands.length && remaining() > longest; i++) {
  const command = commands[i % commands.length];
  const since = performance.now();
  const dir = folder();
  const words = command.words(dir);
  for (let kills = rng.integer(1, 2); kills > 0; kills--)
    await erpo(words, { killAfter: rng.integer(0, Math.ceil(whole.get(command.name).ms)) });
  note(`kill -9: ${command.name}`, since, await endsAs(command.name, dir, command));
  rmSync(dir, { recursive: true });
}

// A kernel ends within seconds of the command that has started it.
if (process.platform !== "linux") skip("kill -9: what was started", "looking for it needs /proc");
else {
  const since = performance.now();
  let left = leftBehind();
  for (; left.length > 0 && performance.now() - since < 20_000; left = leftBehind()) await sleep(200);
  note("kill -9: what was started", since, left.length > 0 ? `${left.length} processes stay, such as ${left[0]}` : undefined);
}

end();
