import { PATIENCE, withPage } from "../../src/setup/browser-page.js";
import type { Paper } from "../formats.js";

/**
 * Prints an HTML page as Chromium does, with bookmarks and tags for assistive software; see `withPage`.
 * @throws Error in one line when the browser does not start or print
 */
export const printPage = (html: string, chromium: string, paper: Paper): Promise<Uint8Array> =>
  withPage(html, chromium, (page) =>
    page.pdf({ format: paper, preferCSSPageSize: false, printBackground: true, outline: true, tagged: true, timeout: PATIENCE }),
  );
