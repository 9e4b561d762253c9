import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import subset from "subset-font";
import { expect, test, vi } from "vitest";
import { mathFontCSS } from "../../reports/html/math-font.js";
import { fromWOFF, toWOFF2 } from "../../reports/html/woff.js";
import { renderReports } from "../../reports/report.js";
import { code, md, writeNotebook } from "./notebooks.js";

const require = createRequire(import.meta.url);
const woff = readFileSync(require.resolve("@fontsource/stix-two-math/files/stix-two-math-latin-400-normal.woff"));
/** The converter that `subset-font` brings: Google's woff2 in WebAssembly, and pako. */
const peer: { convert(font: Buffer, to: string): Promise<Buffer> } = createRequire(require.resolve("subset-font"))("fontverter");

const tables = (font: Buffer) =>
  Object.fromEntries(
    Array.from({ length: font.readUInt16BE(4) }, (_, i) => {
      const [offset, length] = [font.readUInt32BE(20 + 16 * i), font.readUInt32BE(24 + 16 * i)];
      return [font.toString("latin1", 12 + 16 * i, 16 + 16 * i), font.subarray(offset, offset + length).toString("base64")];
    }),
  );

test("WOFF is unpacked as its own converter does", async () => {
  expect(fromWOFF(woff).equals(await peer.convert(woff, "sfnt"))).toBe(true);
});

test("WOFF 2 has the font's tables, as Google's decoder reads them", async () => {
  const font = await subset(fromWOFF(woff), "ab√𝑥∑", { targetFormat: "sfnt", noHinting: true });
  const packed = toWOFF2(font);
  expect(packed.length).toBeLessThan(0.9 * (await peer.convert(font, "woff")).length);
  const { head, ...unpacked } = tables(await peer.convert(packed, "sfnt"));
  const { head: before, ...whole } = tables(font);
  expect(unpacked).toEqual(whole);
  // in head: the checksum of the file, and bit 11 of the flags, "was packed"
  const bytes = [head, before].map((table) => Buffer.from(table!, "base64").fill(0, 8, 12).fill(0, 16, 18));
  expect(bytes[0]).toEqual(bytes[1]);
});

test("a page has the same bytes with a cache that is empty, full, damaged or no folder", async () => {
  const cache = mkdtempSync(join(tmpdir(), "erpo-test-"));
  vi.stubEnv("ERPO_CACHE", cache);
  const notebook = writeNotebook([md("# T\n\n$x^2 \\le \\sqrt{\\pi}$ [@feng2025erpo]"), code("1")]);
  const page = async () => {
    const { written, failures } = await renderReports([notebook], { output: mkdtempSync(join(tmpdir(), "erpo-test-")) });
    expect(failures).toEqual([]);
    return readFileSync(written[0]!, "utf8");
  };
  const empty = await page();
  expect(empty).toContain("data:font/woff2;base64,");
  expect(readdirSync(cache).sort()).toEqual(["fonts", "references"]);
  expect(await page()).toBe(empty);
  for (const kind of readdirSync(cache))
    for (const name of readdirSync(join(cache, kind))) writeFileSync(join(cache, kind, name), "damaged");
  expect(await page()).toBe(empty);
  writeFileSync(join(cache, "file"), "");
  vi.stubEnv("ERPO_CACHE", join(cache, "file"));
  expect(await page()).toBe(empty);
});

test("a page without formulas has no font", async () => {
  expect(await mathFontCSS("<p>x</p>")).toBe("");
});
