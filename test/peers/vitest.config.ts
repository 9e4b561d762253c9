import { defineConfig } from "vitest/config";

/** Against PyTorch, TRL and others, which `python-env.ts` installs outside of the repository (5 GB): `npm run test:peers`. */
export default defineConfig({
  test: {
    root: new URL("../..", import.meta.url).pathname,
    include: ["test/peers/**/*.test.ts"],
    fileParallelism: false,
    testTimeout: 10 * 60_000,
    globalSetup: ["test/global-setup.ts", "test/peers/python-env.ts"],
    hookTimeout: 30 * 60_000,
  },
});
