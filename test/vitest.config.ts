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

const root = new URL("..", import.meta.url).pathname;

const each = {
  root,
  pool: "forks",
  // one more than cores, since tests wait for kernels, browsers and timers; a whole run of ERPO takes 4 GB with its kernel and second process
  maxWorkers: Math.max(1, Math.min(availableParallelism() + 1, Math.floor(totalmem() / 4e9))),
  testTimeout: 120_000,
  hookTimeout: 240_000,
  env: { ERPO_HISTORY: "" },
} as const;

/** Tests of functions that keep nothing between calls: their files share a process, which spares each half a second of loading. */
const shared = ["data", "evaluation", "exante", "figures", "frontend", "objectives"].map((folder) => `test/${folder}/**/*.test.ts`);

/** All others have a process per file: the native TensorFlow library lives once in a process, and a kernel test must not share it. */
export default defineConfig({
  test: {
    root,
    projects: [
      { test: { ...each, name: "shared", include: shared, isolate: false } },
      {
        test: { ...each, name: "apart", include: ["test/**/*.test.ts"], exclude: [...shared, "test/peers/**", "test/bench/**"] },
      },
    ],
    sequence: { sequencer: LongFirst },
    globalSetup: ["test/global-setup.ts"],
  },
});
