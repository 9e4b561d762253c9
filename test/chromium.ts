import { findChromium } from "../src/setup/chromium.js";

/** The browser that tests drive. Undefined where there is none, unless `ERPO_REQUIRE_ALL=1`. */
export function testChromium(): string | undefined {
  const found = findChromium();
  if (!found && process.env.ERPO_REQUIRE_ALL === "1") throw new Error("browser tests need Chromium: apt-get install chromium");
  return found;
}
