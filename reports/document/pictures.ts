import { existsSync, readFileSync, realpathSync } from "node:fs";
import { extname, join, sep } from "node:path";

/** A picture of pixels. */
export interface RasterPicture {
  mime: string;
  base64: string;
}

const MIME: Record<string, string> = {
  ".png": "image/png",
  ".jpg": "image/jpeg",
  ".jpeg": "image/jpeg",
  ".gif": "image/gif",
  ".webp": "image/webp",
};

/**
 * The picture that Markdown names: in a `data:` URL, attached to the cell, or beside the notebook. Undefined for others: nothing is fetched,
 * and nothing outside of the notebook's folder is read.
 *
 * @param attachments what the cell carries
 * @param folder of the notebook
 */
export function findPicture(href: string, attachments: Record<string, Record<string, string>>, folder: string): RasterPicture | undefined {
  const data = /^data:(image\/(?:png|jpeg|gif|webp));base64,([A-Za-z0-9+/=]+)$/.exec(href);
  if (data) return { mime: data[1]!, base64: data[2]! };
  const attached = /^attachment:(.+)$/.exec(href);
  if (attached) {
    const [mime, base64] =
      Object.entries(attachments[decode(attached[1]!)] ?? {}).find(([type]) => Object.values(MIME).includes(type)) ?? [];
    return mime !== undefined && typeof base64 === "string" ? { mime, base64: base64.replace(/\s+/g, "") } : undefined;
  }
  const file = pictureFile(href, folder);
  if (file === undefined || !existsSync(file) || !realpathSync(file).startsWith(realpathSync(folder) + sep)) return undefined;
  return { mime: mimeOf(href)!, base64: readFileSync(file).toString("base64") };
}

const mimeOf = (href: string): string | undefined => MIME[extname(href).toLowerCase()];

/** The file beside the notebook that Markdown names as a picture, whether it is there or not. */
export const pictureFile = (href: string, folder: string): string | undefined =>
  mimeOf(href) && !/^[a-z][\w+.-]*:|^\//i.test(href) ? join(folder, decode(href)) : undefined;

/** A part of a URL as text; itself where it is not encoded well. */
export function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
