import { existsSync } from "node:fs";

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** The browser that tests drive. Undefined where there is none, unless `ERPO_REQUIRE_ALL=1`. */
export function testChromium(): string | undefined {
  const found = PLACES.find((file) => existsSync(file));
  if (!found && process.env.ERPO_REQUIRE_ALL === "1") throw new Error("browser tests need Chromium: apt-get install chromium");
  return found;
}
