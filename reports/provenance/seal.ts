import type { Provenance } from "./collect.js";
import { sha256 } from "./digests.js";

/*
 * A report's provenance stands in it as JSON, in a `<pre>`, so that people can read it and no page needs a script. The JSON holds the
 * SHA-256 of the page around it, and the element the SHA-256 of the JSON: what is changed later is told. This is no signature: whoever
 * wants to deceive can compute both again.
 */

/** What stands before the SHA-256 of the JSON. */
export const START = '<pre id="provenance-json" tabindex="0" data-sha256="';

/** The place of the JSON in a page that is not sealed yet. */
export const UNSEALED = `${START}"></pre>`;

/** Puts the provenance into the page that `provenanceHTML` has left a place in. */
export function sealPage(page: string, provenance: Provenance): string {
  const json = JSON.stringify({ ...provenance, page_sha256: sha256(page) }, null, 1).replace(
    /[&<>]/g, // all that HTML would take for markup
    (character) => `\\u00${character.charCodeAt(0).toString(16)}`,
  );
  return page.replace(UNSEALED, () => `${START}${sha256(json)}">${json}</pre>`);
}
