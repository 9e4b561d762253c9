import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { rootTag } from "./resize.js";
import { FigureError } from "./spec.js";

/**
 * Draws an SVG as a PDF of one page: vector graphics, text as text in Arimo, embedded. No system program takes part, nothing is loaded, and the
 * same SVG gives the same bytes; its creation date is `SOURCE_DATE_EPOCH`, else 1970.
 *
 * @param svg pictures in it have to be `data:` URLs; characters that Arimo lacks are printed as U+XXXX
 * @param options.width of the page in points (1/72 inch), the height follows; unless told, a pixel is 0.75 points
 * @throws FigureError when the text is no SVG with a size
 */
export async function toPDF(svg: string, options: { width?: number } = {}): Promise<Uint8Array> {
  const [{ default: PDFDocument }, { default: drawSVG }] = await Promise.all([import("pdfkit"), import("svg-to-pdfkit")]);
  const natural = naturalSize(svg);
  const scale = options.width === undefined ? 1 : options.width / natural[0];
  const title = /\saria-label="([^"]*)"/.exec(svg)?.[1];
  const document = new PDFDocument({
    size: [scale * natural[0], scale * natural[1]],
    margin: 0,
    font: null as never,
    info: { Producer: "erpo", Creator: "erpo", CreationDate: creationDate(), ...(title && { Title: plainText(title) }) },
  });
  const chunks: Uint8Array[] = [];
  const done = new Promise<void>((resolve, reject) => document.on("end", resolve).on("error", reject));
  document.on("data", (chunk: Uint8Array) => chunks.push(chunk));
  for (const face of Object.keys(FACES)) document.registerFont(face, facePath(face));
  try {
    document.scale(scale);
    drawSVG(document, await withoutMissing(withoutEmptyDashes(svg)), 0, 0, {
      width: natural[0],
      height: natural[1],
      fontCallback: (_family, bold, italic) => `${bold ? "Bold" : "Regular"}${italic ? "Italic" : ""}`,
      imageCallback: (link) => (/^data:image\/(?:png|jpeg);base64,/.test(link) ? link : "data:;base64,"),
      warningCallback: () => {},
    });
  } catch (error) {
    throw new FigureError(`figure: the SVG cannot be drawn as PDF (${error instanceof Error ? error.message : error})`);
  }
  document.end();
  await done;
  return withOwnFontNames(Buffer.concat(chunks), svg);
}

/**
 * pdfkit names the first subset of a font alike in every file. Programs that join files may take fonts of one name for the same, so the six
 * letters before the name are made of the picture.
 */
function withOwnFontNames(pdf: Buffer, svg: string): Uint8Array {
  const renamed = pdf.toString("latin1").replace(/\/([A-Z]{6})(?=\+Arimo-)/g, (_, tag: string) => {
    const digest = createHash("sha256").update(tag).update(svg).digest();
    return `/${Array.from(digest.subarray(0, 6), (byte) => String.fromCharCode(65 + (byte % 26))).join("")}`;
  });
  return Buffer.from(renamed, "latin1");
}

/** What a PDF says as the time of its making: `SOURCE_DATE_EPOCH` in seconds since 1970, or 1970 itself, so that bytes repeat. */
export const creationDate = (): Date => new Date(1000 * (Number(process.env.SOURCE_DATE_EPOCH) || 0));

const FACES: Record<string, string> = {
  Regular: "400Regular/Arimo_400Regular",
  RegularItalic: "400Regular_Italic/Arimo_400Regular_Italic",
  Bold: "700Bold/Arimo_700Bold",
  BoldItalic: "700Bold_Italic/Arimo_700Bold_Italic",
};

/** The file of a face of Arimo: Regular, RegularItalic, Bold, BoldItalic. */
export const facePath = (face: string) => createRequire(import.meta.url).resolve(`@expo-google-fonts/arimo/${FACES[face]}.ttf`);

/** Width and height in points, at 96 pixels an inch. */
function naturalSize(svg: string): [width: number, height: number] {
  const root = rootTag(svg);
  const length = (name: string) => Number(new RegExp(`\\s${name}="([\\d.]+)(?:px)?"`).exec(root)?.[1]);
  const box =
    /\sviewBox="([^"]*)"/
      .exec(root)?.[1]
      ?.trim()
      .split(/[\s,]+/)
      .map(Number) ?? [];
  const [w, h] = [length("width") || box[2]!, length("height") || box[3]!];
  if (!(w > 0 && h > 0 && w < 1e5 && h < 1e5)) throw new FigureError("figure: the SVG has no width and height in pixels");
  return [0.75 * w, 0.75 * h];
}

/** A dash pattern without gaps is a solid line; pdfkit wants lengths above 0. */
const withoutEmptyDashes = (svg: string) =>
  svg.replace(/\sstroke-dasharray="([\d.,\s]*)"/g, (whole, list: string) => {
    const lengths = list
      .split(/[\s,]+/)
      .filter(Boolean)
      .map(Number);
    if (!lengths.some((length) => length === 0)) return whole;
    const solid = lengths.length % 2 === 0 && lengths.every((length, i) => i % 2 === 0 || length === 0);
    return solid ? "" : ` stroke-dasharray="${lengths.map((length) => length || 0.001).join(",")}"`;
  });

let characters: Promise<Set<number>> | undefined;

/** The code points that Arimo has a glyph for. */
export function arimoCharacters(): Promise<ReadonlySet<number>> {
  characters ??= import("fontkit").then(
    ({ openSync }) => new Set((openSync(facePath("Regular")) as { characterSet: number[] }).characterSet),
  );
  return characters;
}

/** The text that an SVG shows. */
export const textOf = (svg: string): string => plainText(svg.replace(/<[^>]*>/g, ""));

/** The text of an SVG, with U+XXXX for each character that Arimo has no glyph for. */
async function withoutMissing(svg: string): Promise<string> {
  const known = await arimoCharacters();
  const printable = (text: string) => [...decodeReferences(text)].map((character) => shown(character, known)).join("");
  return svg
    .split("<")
    .map((part) => {
      const end = part.indexOf(">") + 1; // of the tag; text follows
      return end ? part.slice(0, end) + printable(part.slice(end)) : part;
    })
    .join("<");
}

function shown(character: string, known: ReadonlySet<number>): string {
  const code = character.codePointAt(0)!;
  if (/\s/.test(character) || known.has(code)) return character;
  return `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
}

/** Numeric references as their characters; those that would be markup stay. */
const decodeReferences = (text: string) =>
  text.replace(/&#(?:x([0-9a-f]{1,6})|(\d{1,7}));/gi, (whole, hex?: string, decimal?: string) => {
    const code = hex ? Number.parseInt(hex, 16) : Number(decimal);
    return code > 0x10ffff || "<>&".includes(String.fromCodePoint(code)) ? whole : String.fromCodePoint(code);
  });

const MARKUP: Record<string, string> = { "&#38;": "&", "&amp;": "&", "&#60;": "<", "&lt;": "<", "&#62;": ">", "&gt;": ">", "&quot;": '"' };

const plainText = (text: string) => decodeReferences(text).replace(/&(?:#38|#60|#62|amp|lt|gt|quot);/g, (reference) => MARKUP[reference]!);
