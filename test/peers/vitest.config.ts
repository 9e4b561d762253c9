import { defineConfig } from "vitest/config";

const common = { root: new URL("../..", import.meta.url).pathname, fileParallelism: false, hookTimeout: 30 * 60_000 };
const KERNELS = "test/peers/kernels/**/*.test.ts";

/**
 * Against others, which are installed outside of the repository when their tests are run: `npm run test:peers -- --project kernels`, or `training`
 * for PyTorch, TRL and the like (5 GB).
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...common,
          name: "training",
          include: ["test/peers/**/*.test.ts"],
          exclude: [KERNELS],
          testTimeout: 10 * 60_000,
          globalSetup: ["test/global-setup.ts", "test/peers/python-env.ts"],
        },
      },
      {
        test: {
          ...common,
          name: "kernels",
          include: [KERNELS],
          testTimeout: 10 * 60_000,
          env: { ERPO_HISTORY: "" },
          globalSetup: ["test/global-setup.ts", "test/peers/kernels/kernels-env.ts"],
        },
      },
    ],
    disableConsoleIntercept: true,
  },
});
