import { availableParallelism, totalmem } from "node:os";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Vitest begins with the largest files; this one is short and takes minutes, and would be waited for alone at the end. */
const LONG = /\/notebooks\/exercises\.test\.ts$/;

class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return [...sorted.filter(({ moduleId }) => LONG.test(moduleId)), ...sorted.filter(({ moduleId }) => !LONG.test(moduleId))];
  }
}

/** One process a file: the native TensorFlow library lives once in a process, and a kernel test must not share it. */
export default defineConfig({
  test: {
    root: new URL("..", import.meta.url).pathname,
    include: ["test/**/*.test.ts"],
    exclude: ["test/peers/**", "test/bench/**"],
    pool: "forks",
    // one more than cores, since tests wait for kernels, browsers and timers; a whole run of ERPO takes 4 GB with its kernel and second process
    maxWorkers: Math.max(1, Math.min(availableParallelism() + 1, Math.floor(totalmem() / 4e9))),
    sequence: { sequencer: LongFirst },
    testTimeout: 120_000,
    hookTimeout: 240_000,
    env: { ERPO_HISTORY: "" },
    globalSetup: ["test/global-setup.ts"],
  },
});
