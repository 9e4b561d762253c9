import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The folder of a run of tests, in which each trial's outcome stands for the other test files; undefined outside of `npm test`. */
const folder = () => process.env.ERPO_TEST_FOLDER;
const PREFIX = "trial-";

/**
 * Tries something that tests need from the machine on a trivial input, once a run: that a program is installed does not say that it works.
 * @param trial says what is wrong; undefined where it works
 * @param mend what to do about it
 * @returns what is lacking and how to mend it; undefined where it works
 * @throws Error where it does not work under `ERPO_REQUIRE_ALL=1`
 */
export function lackOf(what: string, mend: string, trial: () => string | undefined): string | undefined {
  const file = folder() && join(folder()!, `${PREFIX}${what.replaceAll(/\W+/g, "-")}.json`);
  let lack: string | null;
  if (file && existsSync(file)) lack = JSON.parse(readFileSync(file, "utf8"));
  else {
    const wrong = trial();
    lack = wrong === undefined ? null : `${what}: ${wrong}; ${mend}`;
    if (file) writeFileSync(file, JSON.stringify(lack));
  }
  if (lack !== null && process.env.ERPO_REQUIRE_ALL === "1") throw new Error(`tests need ${lack}`);
  return lack ?? undefined;
}

/** All that the trials of a run have found lacking. */
export function lacks(folder: string): string[] {
  const files = readdirSync(folder).filter((name) => name.startsWith(PREFIX));
  return files.map((name) => JSON.parse(readFileSync(join(folder, name), "utf8"))).filter((lack) => lack !== null);
}

/** What stands behind the name of a test that is skipped. */
export const skipped = (lack: string | undefined): string => (lack ? ` (skipped: ${lack})` : "");

/** Runs a program in a fresh folder with these files, and hands the outcome and the folder to `look`. */
export function tried<T>(
  program: string,
  words: string[],
  files: Record<string, string>,
  look: (outcome: SpawnSyncReturns<string>, folder: string) => T,
): T {
  const place = mkdtempSync(join(tmpdir(), "erpo-trial-"));
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(place, name), text);
    return look(spawnSync(program, words, { cwd: place, encoding: "utf8", timeout: 120_000 }), place);
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

/** Why a program did not do what it was tried on: that it is not there, or the line of what it printed that says so. */
export function failure({ error, status, signal, stdout, stderr }: SpawnSyncReturns<string>): string {
  if (error) return (error as NodeJS.ErrnoException).code === "ENOENT" ? "it is not installed" : error.message;
  const lines = `${stderr}\n${stdout}`.split("\n").filter((line) => line.trim() !== "");
  const line = lines.find((line) => /not found|^!|error|cannot|no such/i.test(line)) ?? lines[0] ?? "it printed nothing";
  return `${line.trim().slice(0, 150)} (${signal ?? `status ${status}`})`;
}

/** A page with one word, whose table of objects readers of PDF build again themselves. */
const PDF = `%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>endobj
4 0 obj<</Length 33>>stream
BT /F 9 Tf 9 9 Td (trial) Tj ET  
endstream endobj
5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj
trailer<</Root 1 0 R>>
%%EOF
`;

/** What each of poppler's programs that tests use says of that page. */
const POPPLER: [program: string, words: string[], said: RegExp][] = [
  ["pdftotext", ["trial.pdf", "-"], /trial/],
  ["pdfinfo", ["trial.pdf"], /Pages: +1\b/],
  ["pdffonts", ["trial.pdf"], /Helvetica/],
  ["pdfimages", ["-list", "trial.pdf"], /page/],
];

/** What keeps poppler from reading a PDF here; undefined where it reads one. */
export const popplerLack = (): string | undefined =>
  lackOf("poppler", "apt-get install poppler-utils", () => {
    for (const [program, words, said] of POPPLER) {
      const wrong = tried(program, words, { "trial.pdf": PDF }, (outcome) =>
        said.test(outcome.stdout ?? "") ? undefined : failure(outcome),
      );
      if (wrong) return `${program}: ${wrong}`;
    }
    return undefined;
  });

/** What keeps Python from running here; undefined where it does. */
export const pythonLack = (): string | undefined =>
  lackOf("python3", "apt-get install python3", () =>
    tried("python3", ["-c", "import hashlib, json, zipfile; print(6 * 7)"], {}, (outcome) =>
      outcome.stdout?.trim() === "42" ? undefined : failure(outcome),
    ),
  );
