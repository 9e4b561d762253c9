import type { Command } from "commander";
import type { NotebookDuration } from "../methods/erpo/duration.js";
import type { Diagnosis } from "../setup/doctor.js";
import { defaultModel } from "./output.js";

/** `erpo doctor`: what the machine is, what is missing, and the command that mends it. Exit code 1 when the main job cannot run. */
export function register(program: Command): void {
  program
    .command("doctor")
    .description("say what the machine is, what is missing and which command mends it")
    .option("--json", "the same for programs")
    .action(async ({ json }: { json?: boolean }) => {
      const { diagnose } = await import("../setup/doctor.js");
      const diagnosis = await withKernelspec(await diagnose());
      const notebooks = diagnosis.gflops === null ? {} : await estimates(diagnosis.gflops);
      const table = async () => `${await asTable(diagnosis)}\n${await timeTable(notebooks)}`;
      process.stdout.write(json ? `${JSON.stringify({ ...diagnosis, notebooks }, null, 2)}\n` : await table());
      if (!diagnosis.ok) process.exitCode = 1;
    });
}

/** With the kernel that Jupyter finds: without one notebooks run by `erpo execute` only. */
async function withKernelspec(diagnosis: Diagnosis): Promise<Diagnosis> {
  const [{ listKernels }, { erpoCommand }] = await Promise.all([import("../../kernel/install.js"), import("../setup/paths.js")]);
  const installed = listKernels().find(({ name }) => name === "erpo");
  const lack = { what: "Jupyter does not know the kernel yet", mend: `${erpoCommand()} kernel install`, serious: false };
  return {
    ...diagnosis,
    programs: { ...diagnosis.programs, kernelspec: installed?.folder ?? null },
    problems: installed ? diagnosis.problems : [...diagnosis.problems, lack],
  };
}

/** Estimated seconds of the notebooks, for each profile that people run. */
async function estimates(gflops: number): Promise<Record<string, NotebookDuration[]>> {
  const [{ durations, durationsWithSecond }, { plan }, { profile }, { paysBeside }] = await Promise.all([
    import("../methods/erpo/duration.js"),
    import("../methods/erpo/plan.js"),
    import("../runs/profile.js"),
    import("./beside.js"),
  ]);
  const times = ["demo", "quick", "full"].map(async (name) => {
    const chosen = profile(name);
    const pays = await paysBeside(chosen, defaultModel).catch(() => false); // the model is not there yet
    return [name, (pays ? durationsWithSecond : durations)(plan(chosen), gflops)] as const;
  });
  return Object.fromEntries(await Promise.all(times));
}

/** A row a notebook, a column a profile; a dash where a profile's job has not that notebook. */
async function timeTable(notebooks: Record<string, NotebookDuration[]>): Promise<string> {
  const { inWords, totalSeconds } = await import("../methods/erpo/duration.js");
  const profiles = Object.values(notebooks);
  if (profiles.length === 0) return "";
  const all = new Set(profiles.flat().map(({ notebook }) => notebook));
  const rows = [
    ["notebook, about", ...Object.keys(notebooks)],
    ...[...all].map((name) => [
      name,
      ...profiles.map((times) => {
        const own = times.find(({ notebook }) => notebook === name);
        return own ? inWords(own.seconds) : "-";
      }),
    ]),
    ["all", ...profiles.map((times) => inWords(totalSeconds(times)))],
  ];
  const width = Math.max(...rows.map(([name]) => name!.length)) + 2;
  return rows.map(([name, ...times]) => `${name!.padEnd(width)}${times.map((time) => time.padStart(8)).join("")}\n`).join("");
}

async function asTable(diagnosis: Diagnosis): Promise<string> {
  const [{ inBytes }, { startCommand }] = await Promise.all([import("../setup/files.js"), import("../setup/paths.js")]);
  const { node, platform, device, gflops, libraries, memory, cache, packages, programs, problems } = diagnosis;
  const rows: [string, string][] = [
    ["Node", `${node} on ${platform}`],
    ["device", device ? `${device.name}: ${device.library}, ${device.precision}` : "none"],
    ["because", device?.reason ?? "see below"],
    ["speed", gflops === null ? "not measured" : `${gflops.toPrecision(3)} GFLOP/s (product of 1024 x 1024 matrices)`],
    [
      "libraries",
      Object.entries(libraries)
        .map(([name, version]) => `${name} ${version}`)
        .join(", "),
    ],
    ["memory", `${inBytes(memory.total)}, ${inBytes(memory.free)} free`],
    ["cache", `${cache.folder}, ${inBytes(cache.free)} free`],
    ...packages.map(({ name, version, ready }): [string, string] => [name, `${version}, ${ready ? "ready" : "missing"}`]),
    ...Object.entries(programs).map(([name, path]): [string, string] => [name, path ?? "not installed"]),
  ];
  const width = Math.max(...rows.map(([name]) => name.length)) + 2;
  const lines = rows.map(([name, text]) => `${name.padEnd(width)}${text}`);
  for (const { what, mend, serious } of problems) lines.push(`${serious ? "missing" : "note"}: ${what}`, `  mend: ${mend}`);
  lines.push(diagnosis.ok ? `The main job can run: ${startCommand()}` : "The main job cannot run yet.");
  return `${lines.join("\n")}\n`;
}
