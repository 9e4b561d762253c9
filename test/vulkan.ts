import { existsSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { findChromium } from "../src/setup/chromium.js";

/**
 * The environment in which programs find Vulkan and SwiftShader, a driver that computes on the processor; Chromium brings both. Undefined where there
 * is none, unless `ERPO_REQUIRE_ALL=1`.
 */
export function softwareVulkan(): NodeJS.ProcessEnv | undefined {
  const chromium = findChromium();
  const folders = ["/usr/lib/chromium", "/opt/google/chrome", ...(chromium ? [dirname(realpathSync(chromium))] : [])];
  const folder = folders.find((folder) => ["libvulkan.so.1", "vk_swiftshader_icd.json"].every((file) => existsSync(join(folder, file))));
  if (folder) return { LD_LIBRARY_PATH: folder, VK_ICD_FILENAMES: join(folder, "vk_swiftshader_icd.json") };
  if (process.env.ERPO_REQUIRE_ALL === "1") throw new Error("tests of WebGPU need Chromium's Vulkan library: apt-get install chromium");
  return undefined;
}
