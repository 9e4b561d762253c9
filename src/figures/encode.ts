import { readFileSync } from "node:fs";
import { PATIENCE, withPage } from "../setup/browser-page.js";
import { findChromium, noChromium } from "../setup/chromium.js";
import { fontLack } from "../setup/fonts.js";
import { arimoCharacters, creationDate, facePath, textOf, toPDF } from "./pdf.js";
import { INCH, toPNG, withDensity } from "./png.js";
import { scaledTo, sizeOf } from "./resize.js";
import { FigureError } from "./spec.js";

/** What a figure for a paper is written as. */
export type PictureFormat = "pdf" | "svg" | "png";

/**
 * A figure for a paper: SVG, PDF with its fonts, or PNG of 300 dots an inch. Text that Arimo lacks, or that is written from right to left, is drawn by an installed Chromium
 * in installed fonts.
 *
 * @param width in CSS pixels; its own unless told
 * @throws FigureError when it cannot be drawn, with the package to install where a font or Chromium is missing
 */
export async function encodeFigure(svg: string, format: PictureFormat, width = sizeOf(svg).width): Promise<string | Uint8Array> {
  if (format === "svg") return `${svg}\n`;
  const others = await otherScripts(svg);
  if (others) return inBrowser(scaledTo(svg, width), format, others);
  return format === "pdf" ? toPDF(svg, { width: (width * 72) / INCH }) : toPNG(svg, width);
}

const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]/;

/** The characters of a figure's text that the package itself cannot draw; undefined where it can draw all. */
async function otherScripts(svg: string): Promise<string | undefined> {
  const known = await arimoCharacters();
  const others = [...textOf(svg)].filter(
    (character) => !/\s/.test(character) && (!known.has(character.codePointAt(0)!) || RIGHT_TO_LEFT.test(character)),
  );
  return others.length ? [...new Set(others)].join("") : undefined;
}

async function inBrowser(svg: string, format: "pdf" | "png", characters: string): Promise<Uint8Array> {
  const lack = fontLack(characters);
  if (lack) throw new FigureError(`figure: ${lack}`);
  const chromium = findChromium();
  if (!chromium) {
    const { what, mend } = noChromium();
    throw new FigureError(`figure: text in other scripts than Latin, Greek and Cyrillic is drawn by Chromium; ${what}: ${mend}`);
  }
  const { width, height } = lengths(svg);
  const faces = ["Regular", "Bold"].map(
    (face) =>
      `@font-face{font-family:Arimo;font-weight:${face === "Bold" ? 700 : 400};src:url(data:font/ttf;base64,${readFileSync(facePath(face)).toString("base64")})}`,
  );
  const html = `<!DOCTYPE html><meta charset="utf-8"><style>${faces.join("")}@page{margin:0;size:${width}px ${height}px}body{margin:0}svg{display:block}</style>${svg}`;
  return withPage(html, chromium, async (page) => {
    if (format === "pdf")
      return undated(await page.pdf({ preferCSSPageSize: true, printBackground: true, pageRanges: "1", timeout: PATIENCE }));
    await page.setViewport({ width: Math.ceil(width), height: Math.ceil(height), deviceScaleFactor: 300 / INCH });
    return withDensity(await page.screenshot({ type: "png", clip: { x: 0, y: 0, width, height } }), 300);
  });
}

/** The size that a scaled picture says. */
function lengths(svg: string): { width: number; height: number } {
  const [, width, height] = /^<svg width="([\d.]+)" height="([\d.]+)"/.exec(svg) ?? [];
  return { width: Number(width), height: Number(height) };
}

/** The same PDF made by erpo, at the time that `creationDate` says. */
async function undated(bytes: Uint8Array): Promise<Uint8Array> {
  const { PDFDocument } = await import("@cantoo/pdf-lib");
  const pdf = await PDFDocument.load(bytes, { updateMetadata: false });
  pdf.setProducer("erpo");
  pdf.setCreator("erpo");
  pdf.setCreationDate(creationDate());
  pdf.setModificationDate(creationDate());
  return pdf.save();
}
