import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";

/** Gives the tests of a file a cache of their own. @returns its folder */
export function useOwnCache(): string {
  const cache = mkdtempSync(join(tmpdir(), "erpo-cache-"));
  const before = process.env.ERPO_CACHE;
  beforeAll(() => {
    process.env.ERPO_CACHE = cache;
  });
  afterAll(() => {
    if (before === undefined) delete process.env.ERPO_CACHE;
    else process.env.ERPO_CACHE = before;
    rmSync(cache, { recursive: true, force: true });
  });
  return cache;
}
