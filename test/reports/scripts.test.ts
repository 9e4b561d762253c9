import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { withScripts } from "../../reports/latex/scripts.js";
import { renderReports } from "../../reports/report.js";
import { encodeFigure } from "../../src/figures/encode.js";
import { fontLack } from "../../src/setup/fonts.js";
import { launchChromium, openPage, testChromium } from "../chromium.js";
import { popplerLack } from "../programs.js";
import { md, writeNotebook } from "./notebooks.js";

const chromium = testChromium();
const folder = () => mkdtempSync(join(tmpdir(), "erpo-test-"));
const drawing = (text: string) =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="200" height="40" viewBox="0 0 200 40"><text x="10" y="20" font-family="Arimo" font-size="14">${text}</text></svg>`;
const missing = (text: string) =>
  [...text].map((c) => `\\missing{${c.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}}`).join("");

test("in LaTeX, neighbours of one script stand together, words that are read from the right with the space between them", () => {
  const arabic = `${missing("مرحبا")} ${missing("بالعالم")}`;
  const { content, preamble } = withScripts(`a ${missing("漢字")}${missing("😀")} ${arabic} b ${missing("ꙮ")}.`);
  expect(content).toBe(
    `a \\script{cjk}{${missing("漢字")}}\\script{emoji}{${missing("😀")}} \\script{arabic}{${arabic}} b ${missing("ꙮ")}.`,
  );
  expect(preamble).toContain("apt-get install fonts-noto-cjk fonts-noto-color-emoji fonts-noto-core");
  expect(preamble).toContain("\\findfont{cjk}{Noto Serif CJK SC}{}");
  expect(preamble).not.toContain("hebrew");
  const sentence = `${missing("שלום")}, ${missing("עולם")}! ${missing("שלום")}`;
  expect(withScripts(`${sentence}, b`).content).toBe(`\\script{hebrew}{${sentence}}, b`);
  expect(withScripts(`${missing("漢")}, ${missing("字")}`).content).toBe(
    `\\script{cjk}{${missing("漢")}}, \\script{cjk}{${missing("字")}}`,
  );
  expect(withScripts(`${missing("漢")}, ${missing("ש")}`).content).toBe(
    `\\script{cjk}{${missing("漢")}}, \\script{hebrew}{${missing("ש")}}`,
  );
  expect(withScripts(`only ${missing("ꙮ")}`)).toEqual({ content: `only ${missing("ꙮ")}`, preamble: "" });
});

/** A text that is read from the right, in a font that nearly every machine has. */
const hebrew = "שלום עולם";
const isDrawn = chromium && !popplerLack() && !fontLack(hebrew);

test.skipIf(!isDrawn)("a figure's text in another script is drawn in an installed font, as text and in its direction", async () => {
  const pdf = (await encodeFigure(drawing(`say ${hebrew}`), "pdf", 312)) as Uint8Array;
  const file = join(folder(), "a.pdf");
  writeFileSync(file, pdf);
  const poppler = (program: string, ...words: string[]) => execFileSync(program, words, { encoding: "utf8" });
  const text = poppler("pdftotext", file, "-");
  expect(text.replace(/[\u200e\u200f\u202a-\u202e]/g, "")).toContain(hebrew);
  expect(poppler("pdfinfo", file)).toMatch(/Producer: +erpo[\s\S]*Pages: +1\n[\s\S]*Page size: +234(?:\.\d+)? x 4[67]/);
  const png = Buffer.from((await encodeFigure(drawing(hebrew), "png", 312)) as Uint8Array);
  expect([png.readUInt32BE(16), png.indexOf("pHYs") > 0]).toEqual([975, true]);
});

test("without a font, a figure and a printed report are refused with the package that has one; SVG and HTML need none", async () => {
  const place = folder();
  writeFileSync(join(place, "fc-list"), "#!/bin/sh\n", { mode: 0o755 }); // knows no font
  vi.stubEnv("PATH", `${place}:${process.env.PATH}`);
  try {
    for (const format of ["pdf", "png"] as const)
      await expect(encodeFigure(drawing("ᠮᠣᠩ"), format)).rejects.toThrow(
        /^figure: no installed font has U\+18\w\w: apt-get install fonts-noto-core$/,
      );
    expect(await encodeFigure(drawing("ᠮᠣᠩ"), "svg")).toContain("ᠮᠣᠩ");
    const output = folder();
    const { failures } = await renderReports([writeNotebook([md("# 鑫 and 😼")])], {
      output,
      to: ["html", ...(chromium ? (["pdf"] as const) : [])],
    });
    expect(failures).toEqual(
      chromium ? ["nb.ipynb: no installed font has U+946B, U+1F63C: apt-get install fonts-noto-cjk fonts-noto-color-emoji"] : [],
    );
    expect(readFileSync(join(output, "nb.html"), "utf8")).toContain("鑫 and 😼");
  } finally {
    vi.unstubAllEnvs();
  }
});

test.skipIf(!chromium)("in a page, a paragraph begins where its first letter says", async () => {
  const output = folder();
  await renderReports([writeNotebook([md("# T\n\nשלום, עולם!\n\nLatin, words!")])], { output });
  const browser = await launchChromium(chromium!);
  const { page } = await openPage(browser, join(output, "nb.html"), 1280);
  const sides = await page.$$eval("#report-content > p", (paragraphs) =>
    paragraphs.slice(0, 2).map((paragraph) => {
      const range = document.createRange();
      range.selectNodeContents(paragraph);
      const [text, line] = [range.getBoundingClientRect(), paragraph.getBoundingClientRect()];
      return Math.abs(text.right - line.right) < 1 ? "right" : Math.abs(text.left - line.left) < 1 ? "left" : "neither";
    }),
  );
  await browser.close();
  expect(sides).toEqual(["right", "left"]);
});
