import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test, vi } from "vitest";
import { toPDF } from "../../src/figures/pdf.js";
import { popplerLack, skipped } from "../programs.js";

const lack = popplerLack();
const figures = new URL("../fixtures/report-figures/", import.meta.url).pathname;
const figure = (name: string) => readFileSync(join(figures, name), "utf8");
const box = (pdf: Uint8Array) => /\/MediaBox \[([^\]]*)\]/.exec(Buffer.from(pdf).toString("latin1"))?.[1];
const picture = (body: string) => `<svg xmlns="http://www.w3.org/2000/svg" width="400" height="200">${body}</svg>`;

afterEach(() => vi.unstubAllEnvs());

function poppled(program: string, pdf: Uint8Array, ...options: string[]): string {
  const file = join(mkdtempSync(join(tmpdir(), "erpo-test-")), "figure.pdf");
  writeFileSync(file, pdf);
  return execFileSync(program, [...options, file, ...(program === "pdftotext" ? ["-"] : [])], { encoding: "utf8" });
}

test("the page is as wide as asked, else a pixel is 3/4 of a point", async () => {
  expect(box(await toPDF(picture("<rect/>"), { width: 234 }))).toBe("0 0 234 117");
  expect(box(await toPDF(picture("<rect/>")))).toBe("0 0 300 150");
  await expect(toPDF("<svg></svg>")).rejects.toThrow("figure: the SVG has no width and height in pixels");
});

test("the same SVG gives the same bytes; the date is SOURCE_DATE_EPOCH", async () => {
  const svg = figure("training-two.svg");
  const pdf = await toPDF(svg);
  expect(Buffer.compare(pdf, await toPDF(svg))).toBe(0);
  expect(Buffer.from(pdf).toString("latin1")).toContain("(D:19700101000000Z)");
  vi.stubEnv("SOURCE_DATE_EPOCH", "1700000000");
  expect(Buffer.from(await toPDF(svg)).toString("latin1")).toContain("(D:20231114221320Z)");
});

test("dash patterns with zeros, as Vega writes solid lines", async () => {
  for (const dashes of ["1,0", "0,2", "0", "4 2"])
    await expect(toPDF(picture(`<path d="M0,0L9,9" stroke="red" stroke-dasharray="${dashes}"/>`))).resolves.toBeDefined();
});

test("nothing is read from files", async () => {
  const svg = picture(
    `<image href="${join(figures, "../own.png")}" width="9" height="9"/><image href="/etc/passwd" width="9" height="9"/>`,
  );
  expect(Buffer.from(await toPDF(svg)).toString("latin1")).not.toContain("/XObject <<");
});

describe.skipIf(lack)(`with poppler${skipped(lack)}`, () => {
  test("text stays text, in an embedded font", async () => {
    const pdf = await toPDF(figure("lengths.svg"), { width: 234 });
    for (const [, text] of figure("lengths.svg").matchAll(/<text[^>]*>([^<&]+)</g)) expect(poppled("pdftotext", pdf)).toContain(text);
    const fonts = poppled("pdffonts", pdf).trim().split("\n").slice(2);
    expect(fonts.length).toBeGreaterThan(0);
    for (const font of fonts) expect(font).toMatch(/Arimo-\w+\s+CID TrueType\s+Identity-H\s+yes yes yes/);
  });

  test("fonts of two pictures have names of their own", async () => {
    const names = async (name: string) => poppled("pdffonts", await toPDF(figure(name))).match(/[A-Z]{6}(?=\+Arimo)/g)!;
    const all = [...(await names("lengths.svg")), ...(await names("intervals.svg"))];
    expect(new Set(all).size).toBe(all.length);
  });

  test("characters without a glyph are named", async () => {
    const text = poppled("pdftotext", await toPDF(picture('<text x="9" y="50">a β ≤ &#x2192; 漢 &#128512; &lt;b&gt;</text>')));
    expect(text.trim()).toBe("a β ≤ → U+6F22 U+1F600 <b>");
  });

  test("the title is the picture's alternative text", async () => {
    const pdf = await toPDF(picture("<g/>").replace("<svg ", '<svg aria-label="a &#38; b" '));
    expect(poppled("pdfinfo", pdf)).toMatch(/Title:\s+a & b\n/);
  });
});
