import { katexMathML } from "../document/katex.js";
import { mathCommand } from "./characters.js";
import { escapeTeX } from "./escape.js";
import { ALIASES, BEFORE_DELIMITER, CONSTRUCTS, CONTROL_SYMBOLS, ENVIRONMENTS, SYMBOLS, TEXTS, WITH_OPTION } from "./math-commands.js";

/**
 * A formula of a notebook as LaTeX that only draws: KaTeX has to accept it, and it is written anew from its tokens, of which only the commands
 * of a list are taken. So it can neither define, read, write nor run anything, and braces balance.
 *
 * @param tex what stands between the dollars
 * @returns undefined where KaTeX refuses it, or where it holds something that is not on the list
 */
export function safeMath(tex: string, display: boolean): string | undefined {
  try {
    katexMathML(tex, display);
    const writer = new FormulaWriter(tex, display);
    const written = trimmed(writer.formula()).trimStart();
    if (written === "") return undefined;
    return writer.hasRows ? `\\begin{gathered}\n${afterBegin(written)}\n\\end{gathered}` : written;
  } catch {
    return undefined;
  }
}

const TOKEN = /\\(?:[a-zA-Z]+|[\s\S]|$)|%[^\n]*(?:\n|$)|\s+|[\s\S]/gu;
const MAX_DEPTH = 30;

/** Without the white space at its end, but for the space that a backslash makes. */
function trimmed(tex: string): string {
  const bare = tex.trimEnd();
  return bare.endsWith("\\") ? tex.slice(0, bare.length + 1) : bare;
}

/** Of a formula that is left as it is, shown as code. */
class Refused extends Error {}

/** Reads tokens and writes them with every argument in braces. */
class FormulaWriter {
  /** The formula has line breaks outside of environments. */
  hasRows = false;
  private readonly tokens: string[];
  private at = 0;
  private depth = 0;

  constructor(
    tex: string,
    private readonly display: boolean,
  ) {
    this.tokens = (tex.match(TOKEN) ?? []).filter((token) => !token.startsWith("%"));
  }

  formula(): string {
    const written = this.list(() => false, { rows: true });
    if (this.at < this.tokens.length) throw new Refused();
    return written;
  }

  /** Up to the token that `ends` it, which is taken too. */
  private list(ends: (token: string) => boolean, { rows = false, columns = 0 } = {}): string {
    if (++this.depth > MAX_DEPTH) throw new Refused();
    const topLevel = this.depth === 1;
    let result = "";
    let tabs = 0;
    for (;;) {
      const token = this.tokens[this.at];
      if (token === undefined || ends(token)) {
        if (token === undefined && !topLevel) throw new Refused();
        this.at++;
        this.depth--;
        return result;
      }
      if (token === "&") {
        if (++tabs >= columns) throw new Refused();
        this.at++;
        result += "&";
      } else if (token === "\\\\" || token === "\\cr" || token === "\\newline") {
        if (!rows) throw new Refused();
        tabs = 0;
        this.at++;
        const end = this.rowEnd();
        if (topLevel) this.hasRows = this.display;
        result += topLevel && !this.display ? " " : end;
      } else if (token === "\\tag" && topLevel && !this.hasRows) {
        this.at++;
        result += `\\tag{${this.text()}}`;
      } else result += this.item();
    }
  }

  /** `\\`, with the space that may follow it at once in brackets; other brackets and stars there are no part of it, as in KaTeX and amsmath. */
  private rowEnd(): string {
    const rest = this.tokens.slice(this.at, this.at + 13).join("");
    const space = /^\[\s*(-?\d{0,2}(?:\.\d{1,3})?(?:pt|em|ex|mm|cm))\s*\]/.exec(rest);
    if (!space) return /^\s*[[*]/.test(rest) ? "\\\\{}" : "\\\\";
    while (this.tokens[this.at++] !== "]");
    return `\\\\[${space[1]}]`;
  }

  /** One token with its arguments. */
  private item(): string {
    const token = this.tokens[this.at++]!;
    if (/^\s/.test(token)) return token.includes("\n") ? "\n" : " ";
    if (token === "{") return `{${this.list((next) => next === "}")}}`;
    if (token === "^" || token === "_") return `${token}{${this.argument()}}`;
    if (token.startsWith("\\")) return this.command(token.slice(1));
    if (/^[\w!"'()*+,./:;<=>?@[\]`|~-]$/.test(token)) return token;
    const command = mathCommand(token);
    if (!command) throw new Refused();
    return /^\\[a-zA-Z]+$/.test(command) ? `${command} ` : /^[-<>]$/.test(command) ? command : `{${command}}`;
  }

  private command(name: string): string {
    if (CONTROL_SYMBOLS.has(name)) return name === "\n" ? "\\ " : `\\${name}`;
    if (name === "begin") return this.environment();
    const alias = ALIASES[name];
    if (alias && !/^\\[a-z]+$/i.test(alias)) return /^[<>]$/.test(alias) ? alias : `{${alias}}`;
    const known = alias?.slice(1) ?? name;
    if (SYMBOLS.has(known)) return `\\${known}`;
    if (TEXTS.has(known)) return `\\${known}{${this.text()}}`;
    if (BEFORE_DELIMITER.has(known)) return `\\${known}${this.delimiter()}`;
    if (Object.hasOwn(CONSTRUCTS, known)) return this.construct(known);
    throw new Refused();
  }

  private construct(name: string): string {
    const starred = Object.hasOwn(CONSTRUCTS, `${name}*`) && this.peek() === "*";
    if (starred) this.next();
    let option = "";
    if (WITH_OPTION.has(name) && this.peek() === "[") {
      this.next();
      option = `[{${this.list((next) => next === "]")}}]`;
    }
    const rows = name === "substack";
    const written = Array.from({ length: CONSTRUCTS[name]! }, () => `{${this.argument(rows)}}`);
    const drawn = CAPITALS_ONLY[name] && !/^\{[A-Z ]*\}$/.test(written[0]!) ? CAPITALS_ONLY[name] : name;
    return `\\${drawn}${starred ? "*" : ""}${option}${written.join("")}`;
  }

  /** A group, or the next token with its own arguments; without the braces around it. */
  private argument(rows = false): string {
    const token = this.peek();
    if (token === undefined || "^_&}$".includes(token) || token === "\\\\") throw new Refused();
    if (token !== "{") return trimmed(this.item());
    this.next();
    return this.list((next) => next === "}", { rows });
  }

  private delimiter(): string {
    const token = this.next();
    if (/^[()[\]|/.<>]$/.test(token) || token === "\\|" || token === "\\{" || token === "\\}") return token;
    const name = token.startsWith("\\") ? (ALIASES[token.slice(1)] ?? token) : mathCommand(token);
    if (!name || !DELIMITER.test(name)) throw new Refused();
    return `${name} `;
  }

  private environment(): string {
    const asked = this.braced();
    const environment = Object.hasOwn(ENVIRONMENTS, asked) ? ENVIRONMENTS[asked]! : undefined;
    if (!environment) throw new Refused();
    const { name, argument } = environment;
    let { columns } = environment;
    let head = "";
    if (argument) {
      const given = this.braced();
      if (!argument.test(given)) throw new Refused();
      head = `{${given}}`;
      columns = name === "array" ? given.replace(/[^lcr]/g, "").length : 2 * Number(given);
    }
    const body = this.list((token) => token === "\\end", { rows: true, columns });
    if (this.braced() !== asked) throw new Refused();
    return `\\begin{${name}}${head}${afterBegin(body)}\\end{${name}}`;
  }

  /** The plain text of a group: a name. */
  private braced(): string {
    if (this.next() !== "{") throw new Refused();
    const end = this.tokens.indexOf("}", this.at);
    const text = this.tokens.slice(this.at, end).join("");
    if (end < 0 || !/^[a-zA-Z0-9*| ]+$/.test(text)) throw new Refused();
    this.at = end + 1;
    return text.trim();
  }

  /** The group after a command for text, without its braces. */
  private text(): string {
    if (this.peek() !== "{") return escapeTeX(this.plainToken());
    this.next();
    if (++this.depth > MAX_DEPTH) throw new Refused();
    let result = "";
    for (;;) {
      const token = this.tokens[this.at++];
      if (token === undefined) throw new Refused();
      if (token === "}") break;
      if (token === "$") result += `$${this.list((next) => next === "$")}$`;
      else if (token === "{") {
        this.at--;
        result += `{${this.text()}}`;
      } else if (!token.startsWith("\\")) result += escapeTeX(token);
      else if (CONTROL_SYMBOLS.has(token.slice(1)) && token !== "\\|" && token !== "\\>") result += token === "\\\n" ? "\\ " : token;
      else if (TEXTS.has(token.slice(1))) result += `${token}{${this.text()}}`;
      else if (/^\\(?:quad|qquad|enspace|ldots|dots|S|P)$/.test(token)) result += `${token}{}`;
      else throw new Refused();
    }
    this.depth--;
    return result;
  }

  private plainToken(): string {
    const token = this.next();
    if (!/^[^\\{}$&#^_%~]$/u.test(token)) throw new Refused();
    return token;
  }

  private peek(): string | undefined {
    while (/^\s/.test(this.tokens[this.at] ?? "")) this.at++;
    return this.tokens[this.at];
  }

  private next(): string {
    const token = this.peek();
    if (token === undefined) throw new Refused();
    this.at++;
    return token;
  }
}

/** A bracket at the beginning of an environment is none of its options. */
const afterBegin = (body: string) => body.replace(/^\s*(?=\[)/, "{}");

/** Alphabets whose fonts have capitals only, and what stands in for them elsewhere. */
const CAPITALS_ONLY: Readonly<Record<string, string>> = { mathbb: "mathbf", mathcal: "mathit" };

const DELIMITER =
  /^\\(?:l?r?vert|[lr]Vert|Vert|[lr](?:brace|brack|angle|floor|ceil|group|moustache)|(?:up|down|updown|Up|Down|Updown)arrow|backslash)$/;
