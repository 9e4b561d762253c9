import { DISPLAY } from "./shown.js";

/** Something that shows itself, as a cell's value or by `display`. */
export interface Displayable {
  /** Its representations, by MIME type. */
  [DISPLAY](): Record<string, unknown>;
}

const shows = (bundle: Record<string, unknown>): Displayable => ({ [DISPLAY]: () => bundle });

/** HTML as it is, unchecked: escape what comes from elsewhere. */
export const html = (text: string): Displayable => shows({ "text/html": text, "text/plain": text });

/** Markdown, in which frontends also set mathematics between `$` signs. */
export const markdown = (text: string): Displayable => shows({ "text/markdown": text, "text/plain": text });

/** A formula. @param formula without delimiters; it is set on a line of its own */
export const latex = (formula: string): Displayable => shows({ "text/latex": `$$${formula}$$`, "text/plain": formula });

/** A drawing. @param text of an SVG document */
export const svg = (text: string): Displayable => shows({ "image/svg+xml": text, "text/plain": "<svg>" });

/**
 * A picture.
 * @param bytes of a PNG, JPEG, GIF or WebP file
 * @throws TypeError for other bytes
 */
export function image(bytes: Uint8Array): Displayable {
  const type = imageType(bytes);
  if (type === undefined) throw new TypeError("image: the bytes are no PNG, JPEG, GIF or WebP file");
  return shows({ [type]: bytes, "text/plain": `<${type}, ${bytes.length} bytes>` });
}

/**
 * A tree that can be folded.
 * @param value what JSON can hold
 * @throws TypeError for what it cannot, such as an object that holds itself
 */
export function json(value: unknown): Displayable {
  const text = JSON.stringify(value, null, 2);
  if (text === undefined) throw new TypeError("json: a value that JSON cannot hold");
  return shows({ "application/json": JSON.parse(text), "text/plain": text });
}

/** The media type of a picture's bytes by their first ones; undefined for others. */
export function imageType(bytes: Uint8Array): string | undefined {
  const starts = (text: string, at = 0) => [...text].every((character, i) => bytes[at + i] === character.charCodeAt(0));
  if (starts("\x89PNG\r\n")) return "image/png";
  if (starts("\xff\xd8\xff")) return "image/jpeg";
  if (starts("GIF8")) return "image/gif";
  return starts("RIFF") && starts("WEBP", 8) ? "image/webp" : undefined;
}
