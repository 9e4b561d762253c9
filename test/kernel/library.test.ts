import { expect, test } from "vitest";
import { exportedValue, librarySources } from "../../kernel/language/library-names.js";
import { failed, result, useKernel } from "./client.js";

/** A cell loads of `erpo` what it names. */

const { run } = useKernel();

test("what a cell does not use is not loaded: display takes a fraction of the library", async () => {
  await run(
    "import { createRequire } from 'node:module'; const loaded = () => Object.keys(require.cache).filter((file) => /tensorflow|danfo|vega/.test(file)).length;",
  );
  await run("const before = process.cpuUsage();");
  await run("import { display, html } from 'erpo';");
  const seconds = Number(result(await run("const { user, system } = process.cpuUsage(before); (user + system) / 1e6")));
  expect(seconds).toBeLessThan(1); // the whole takes 3 s
  expect(result(await run("loaded()"))).toBe("0");
  expect(failed(await run("display(html('<b>x</b>'))")).status).toBe("ok");
});

test("types come with what is named, also by another name, in a later cell and from a name of an earlier one", async () => {
  expect(failed(await run("import { wilson as interval } from 'erpo'; interval('a', 2)")).evalue).toContain("Argument of type 'string'");
  expect(failed(await run("import { wilson as interval } from 'erpo'; interval('a', 2)")).evalue).not.toContain("erpo-taken");
  await run("import { wilson as interval, type Proportion } from 'erpo'; const half: Proportion = interval(1, 2);");
  expect(result(await run("half.rate + interval(1, 4).rate"))).toBe("0.75");
  expect(failed(await run("const wrong: string = half.rate;")).evalue).toContain("Type 'number' is not assignable to type 'string'");
});

test("the whole library is there where it is asked for, and its values are the same", async () => {
  expect(result(await run("import { wilson } from 'erpo'; import * as whole from 'erpo'; whole.wilson === wilson"))).toBe("true");
  expect(result(await run("const later = await import('erpo'); later.wilson === wilson"))).toBe("true");
  expect(failed(await run("import { wilsom } from 'erpo';")).evalue).toMatch(
    /'"erpo"'? has no exported member|no exported member named 'wilsom'/,
  );
});

test("every name that the library exports is found where it is defined", async () => {
  const whole = (await import("../../dist/src/index.js" as string)) as Record<string, unknown>;
  const names = Object.keys(whole);
  expect(names.length).toBeGreaterThan(150);
  const sources = librarySources(names)!;
  for (const [i, name] of names.entries()) {
    const module = (await import(sources[i]!.file)) as Record<string, unknown>;
    expect([name, exportedValue(module, sources[i]!) === whole[name]]).toEqual([name, true]);
  }
  expect(librarySources(["no such name"])).toBeUndefined();
});
