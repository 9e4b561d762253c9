import { existsSync, statSync } from "node:fs";
import { delimiter, join } from "node:path";

const COMMANDS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome";

/** The Chromium or Chrome that draws PDF pages: `$CHROME_PATH` where it is set, else the one on the PATH. Undefined where there is none. */
export function findChromium(): string | undefined {
  const chosen = process.env.CHROME_PATH;
  const folders = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  const places = chosen ? [chosen] : [...COMMANDS.flatMap((command) => folders.map((folder) => join(folder, command))), MAC];
  return places.find((path) => existsSync(path) && statSync(path).isFile());
}

/** What to say, and to do, where `findChromium` finds none. */
export function noChromium(): { what: string; mend: string } {
  const chosen = process.env.CHROME_PATH;
  return chosen
    ? { what: `CHROME_PATH=${chosen} is no file`, mend: "set it to a Chromium or Chrome" }
    : { what: "no Chromium found", mend: "install it (apt-get install chromium), or set CHROME_PATH to a Chromium or Chrome" };
}
