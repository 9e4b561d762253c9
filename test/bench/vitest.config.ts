import { defineConfig } from "vitest/config";

/** Benchmarks, one at a time: `npm run bench -- kernel`. */
export default defineConfig({
  test: {
    root: new URL("../..", import.meta.url).pathname,
    include: ["test/bench/**/*.bench.ts"],
    fileParallelism: false,
    testTimeout: 30 * 60_000,
    env: { ERPO_HISTORY: "" },
    disableConsoleIntercept: true,
  },
});
