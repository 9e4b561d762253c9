import { existsSync, statSync } from "node:fs";
import { posix, win32 } from "node:path";

const COMMANDS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const APPLICATIONS = ["Google Chrome", "Chromium", "Microsoft Edge"];
const PROGRAMS = [
  "Google\\Chrome\\Application\\chrome.exe",
  "Chromium\\Application\\chrome.exe",
  "Microsoft\\Edge\\Application\\msedge.exe",
];

/** Where a Chromium, Chrome or Edge may lie on a platform, in the order of choice: on the PATH, then where its installers put it. */
export function chromiumPlaces(platform: NodeJS.Platform, env: NodeJS.ProcessEnv): string[] {
  const path = platform === "win32" ? win32 : posix;
  const folders = (env.PATH ?? env.Path ?? "").split(path.delimiter).filter((folder) => folder !== "");
  const names = platform === "win32" ? ["chrome.exe", "msedge.exe"] : COMMANDS;
  const onPath = names.flatMap((name) => folders.map((folder) => path.join(folder, name)));
  if (platform === "darwin") {
    const roots = ["/Applications", ...(env.HOME ? [path.join(env.HOME, "Applications")] : [])];
    return [...onPath, ...APPLICATIONS.flatMap((name) => roots.map((root) => path.join(root, `${name}.app`, "Contents", "MacOS", name)))];
  }
  if (platform !== "win32") return onPath;
  const roots = [env.ProgramFiles, env["ProgramFiles(x86)"], env.LOCALAPPDATA].filter((root) => root !== undefined);
  return [...onPath, ...PROGRAMS.flatMap((program) => roots.map((root) => path.join(root, program)))];
}

/** The Chromium or Chrome that draws PDF pages: `$CHROME_PATH` where it is set, else one of `chromiumPlaces`. Undefined where there is none. */
export function findChromium(): string | undefined {
  const chosen = process.env.CHROME_PATH;
  const places = chosen ? [chosen] : chromiumPlaces(process.platform, process.env);
  return places.find((path) => existsSync(path) && statSync(path).isFile());
}

/** What to say, and to do, where `findChromium` finds none. */
export function noChromium(): { what: string; mend: string } {
  const chosen = process.env.CHROME_PATH;
  if (chosen) return { what: `CHROME_PATH=${chosen} is no file`, mend: "set it to a Chromium or Chrome" };
  const how = process.platform === "linux" ? " (apt-get install chromium)" : "";
  return { what: "no Chromium found", mend: `install it${how}, or set CHROME_PATH to a Chromium or Chrome` };
}
