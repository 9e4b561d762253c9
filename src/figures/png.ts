import { crc32 } from "node:zlib";
import { loadEngine } from "./render.js";
import { sizeOf } from "./resize.js";

/** CSS pixels of an inch. */
export const INCH = 96;

/**
 * Draws an SVG as a PNG of 300 dots an inch, which the file says, so that word processors and TeX give it its size.
 * @param width CSS pixels (1/96 inch)
 */
export async function toPNG(svg: string, width: number): Promise<Uint8Array> {
  await loadEngine(); // the fonts
  const { createCanvas, loadImage } = await import("canvas");
  const size = sizeOf(svg);
  const dots = Math.round((width * 300) / INCH);
  const canvas = createCanvas(dots, Math.round((dots * size.height) / size.width));
  const image = await loadImage(Buffer.from(svg));
  canvas.getContext("2d").drawImage(image as never, 0, 0, canvas.width, canvas.height);
  return withDensity(await canvas.encode("png"), 300);
}

/** Puts a pHYs chunk (PNG specification, 11.3.5.3) behind the header, which always takes 33 bytes. */
export function withDensity(png: Uint8Array, dotsPerInch: number): Uint8Array {
  const chunk = Buffer.alloc(21);
  chunk.writeUInt32BE(9, 0);
  chunk.write("pHYs", 4, "latin1");
  const dotsPerMetre = Math.round(dotsPerInch / 0.0254);
  chunk.writeUInt32BE(dotsPerMetre, 8);
  chunk.writeUInt32BE(dotsPerMetre, 12);
  chunk[16] = 1; // the unit is the metre
  chunk.writeUInt32BE(crc32(chunk.subarray(4, 17)), 17);
  return Buffer.concat([png.subarray(0, 33), chunk, png.subarray(33)]);
}
