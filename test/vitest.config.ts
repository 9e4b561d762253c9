import { defineConfig } from "vitest/config";

/** One process a file: the native TensorFlow library lives once in a process, and a kernel test must not share it. */
export default defineConfig({
  test: {
    root: new URL("..", import.meta.url).pathname,
    include: ["test/**/*.test.ts"],
    exclude: ["test/peers/**", "test/bench/**"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 240_000,
    env: { ERPO_HISTORY: "" },
    globalSetup: ["test/global-setup.ts"],
  },
});
