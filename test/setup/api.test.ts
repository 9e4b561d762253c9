import { join, resolve } from "node:path";
import { Application, TSConfigReader, TypeDocReader } from "typedoc";
import { beforeAll, expect, test } from "vitest";

/** What `npm run docs` writes pages of: the library as a notebook's cell imports it. */

const root = resolve(import.meta.dirname, "../..");
const messages: string[] = [];

beforeAll(async () => {
  const app = await Application.bootstrapWithPlugins(
    {
      options: join(root, "typedoc.json"),
      tsconfig: join(root, "tsconfig.json"),
      disableGit: true,
      sourceLinkTemplate: "{path}",
      gitRevision: "main",
    },
    [new TypeDocReader(), new TSConfigReader()],
  );
  for (const level of ["warn", "error"] as const) app.logger[level] = (message: string) => void messages.push(message);
  const project = await app.convert();
  app.validate(project!);
}, 300_000);

const among = (words: string) => messages.filter((message) => message.includes(words));

test("every type in a public signature is exported", () => {
  expect(among("is referenced by")).toEqual([]);
});

test("every export is documented", () => {
  expect(among("does not have any documentation")).toEqual([]);
});

test("comments name parameters that there are, and their links lead somewhere", () => {
  expect(messages.filter((message) => !/is referenced by|does not have any documentation/.test(message))).toEqual([]);
});
