import { spawnSync } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { findChromium } from "../src/setup/chromium.js";
import { packageRoot } from "../src/setup/paths.js";
import { failure, lackOf } from "./programs.js";

/** Asks Dawn for an adapter; in a process of its own, whose loader sees the driver. */
const TRIAL = `const adapter = await (await import("webgpu")).create([]).requestAdapter({});
console.log(adapter ? "trial" : "no adapter was found");
process.exit(0);`;

/** The environment in which programs find Vulkan and SwiftShader, a driver that computes on the processor; Chromium brings both. */
function driver(): NodeJS.ProcessEnv | undefined {
  const chromium = findChromium();
  const folders = ["/usr/lib/chromium", "/opt/google/chrome", ...(chromium ? [dirname(realpathSync(chromium))] : [])];
  const folder = folders.find((folder) => ["libvulkan.so.1", "vk_swiftshader_icd.json"].every((file) => existsSync(join(folder, file))));
  return folder ? { LD_LIBRARY_PATH: folder, VK_ICD_FILENAMES: join(folder, "vk_swiftshader_icd.json") } : undefined;
}

/** What keeps WebGPU from computing on the processor here; undefined where it does. */
export const vulkanLack = (): string | undefined =>
  lackOf("Vulkan", "apt-get install chromium, and npm install for the package webgpu", () => {
    const found = driver();
    if (!found) return "no libvulkan.so.1 with SwiftShader, which Chromium brings";
    const options = { cwd: packageRoot(), env: { ...process.env, ...found }, encoding: "utf8", timeout: 120_000 } as const;
    const outcome = spawnSync(process.execPath, ["--input-type=module", "-e", TRIAL], options);
    return outcome.stdout?.includes("trial") ? undefined : failure(outcome);
  });

/** That environment; undefined where WebGPU does not work in it, unless `ERPO_REQUIRE_ALL=1`. */
export const softwareVulkan = (): NodeJS.ProcessEnv | undefined => (vulkanLack() ? undefined : driver());
