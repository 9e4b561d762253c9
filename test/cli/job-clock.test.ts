import { expect, test } from "vitest";
import { clockOver } from "../../src/cli/job-clock.js";

const ahead = (tells: boolean) => [100, 300, 600].map((estimated, i) => ({ estimated, tells: i > 0 || tells }));

test("a notebook that took twice its estimate doubles what those behind it are thought to take", () => {
  const clock = clockOver(ahead(true), true);
  expect(clock.left(0)).toEqual({ least: 850, most: 1250 });
  clock.ended(200);
  expect(clock.left(0)).toEqual({ least: 1800 * 0.9, most: 1800 * 1.15 });
});

test("a notebook that an earlier job had begun says nothing of those behind it, however fast it is through", () => {
  const clock = clockOver(ahead(false), true);
  clock.ended(7);
  expect(clock.inWords()).toBe("13 to 19 min"); // 900 s, off by a factor from 0.85 to 1.25
  clock.ended(300);
  expect(clock.left(100)).toEqual({ least: 600 * 0.9 - 100, most: 600 * 1.15 - 100 });
});
