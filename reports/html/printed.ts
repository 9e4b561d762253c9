import { AnsiUp } from "ansi_up";
import { lineGroups } from "./text-tables.js";

/** What was printed, as HTML. A line wraps where there is no room for it; those of a table are marked, and stay whole. */
export function printedHTML(text: string): string {
  const colours = new Colours();
  return lineGroups(text.split("\n"))
    .map(({ table, lines }) => {
      const html = colours.html(lines.join("\n"));
      return table ? `<span class="columns">${html}</span>` : html;
    })
    .join("\n");
}

/** Terminal colours as classes; every text escaped, no links. */
export const ansiHTML = (text: string): string => new Colours().html(text);

/** What begins or ends a link of a terminal (OSC 8): its words stay. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is what is taken out
const LINK = /\u001b\]8;[^\u0007\u001b]*(?:\u0007|\u001b\\)/g;

/** A colour that is not ended goes on in the next text. */
class Colours {
  readonly #ansi = new AnsiUp();

  constructor() {
    this.#ansi.use_classes = true;
    this.#ansi.url_allowlist = {};
  }

  html(text: string): string {
    return this.#ansi
      .ansi_to_html(text.replace(LINK, ""))
      .replace(/<span( style="[^"]*")?( class="[^"]*")?>/g, (_tag, style = "", colour = "") => {
        const bold = /font-weight:\s*bold/.test(style);
        return bold ? `<span${colour ? colour.replace('class="', 'class="bold ') : ' class="bold"'}>` : `<span${colour}>`;
      });
  }
}
