import { statSync } from "node:fs";
import { dirname } from "node:path";
import { expect, test } from "vitest";
import { packageRoot } from "../../src/setup/paths.js";
import { KernelClient, result } from "./client.js";

/** Whether everybody may go into a folder and those above it. */
function isOpen(folder: string): boolean {
  return (statSync(folder).mode & 1) === 1 && (dirname(folder) === folder || isOpen(dirname(folder)));
}

const possible = process.getuid?.() === 0 && isOpen(packageRoot());

test.skipIf(!possible)("a user that the machine has no entry for works in a folder that it may not write to", async () => {
  const nothing = { HOME: undefined, ERPO_CACHE: undefined, ERPO_HISTORY: undefined, XDG_CACHE_HOME: undefined, XDG_STATE_HOME: undefined };
  const kernel = await KernelClient.start({ uid: 54321, env: nothing });
  expect(result(await kernel.run("const user: number = process.getuid!(); user"))).toBe("54321");
  expect(
    result(
      await kernel.run(
        "import { writeFileSync } from 'node:fs'; let code = ''; try { writeFileSync('a', ''); } catch (error) { code = (error as NodeJS.ErrnoException).code!; } code",
      ),
    ),
  ).toBe("'EACCES'");
  expect(await kernel.stop()).toBe(0);
});
