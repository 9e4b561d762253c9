import { Lexer, type MarkedOptions, type Token, Tokenizer, type Tokens, type TokensList } from "marked";

/** Characters that are read again inside of lists, quotes and notes, at most: 550 lists in each other take as many, and some seconds. */
const NESTED = 60e6;

/** Signs of emphasis that are looked at to find the ends of others, at most: they take some seconds. */
const SIGNS = 10e6;

/** Cells of a table, at most; marked gives each row as many as the header has. */
const CELLS = 200_000;

/** What is nested is read once a level, so that the time grows with the cube of the depth: this one gives up in time. */
export class BoundedLexer extends Lexer {
  private depth = 0;
  private read = 0;

  constructor(options: MarkedOptions) {
    super({ ...options, tokenizer: new BoundedTokenizer() });
    const tokenizer = this.options.tokenizer as Tokenizer;
    tokenizer.rules = { ...tokenizer.rules, inline: withCounts(tokenizer.rules.inline) };
  }

  override blockTokens(source: string, tokens?: Token[], lastParagraphClipped?: boolean): Token[];
  override blockTokens(source: string, tokens?: TokensList, lastParagraphClipped?: boolean): TokensList;
  override blockTokens(source: string, tokens?: Token[], lastParagraphClipped?: boolean): Token[] {
    if (this.depth > 0) this.read += source.length;
    if (this.read > NESTED) throw new Error("its lists or quotes are nested too deeply to be read in time");
    this.depth++;
    try {
      return super.blockTokens(source, tokens, lastParagraphClipped);
    } finally {
      this.depth--;
    }
  }
}

/** Each sign of emphasis has marked look for its end, as far as the paragraph goes. @returns the rules; those for ends give up in time */
function withCounts(rules: Tokenizer["rules"]["inline"]): Tokenizer["rules"]["inline"] {
  let looked = 0;
  class Counted extends RegExp {
    override exec(text: string): RegExpExecArray | null {
      if (++looked > SIGNS) throw new Error("it has too many signs of emphasis (*, _, ~) whose ends are looked for to be read in time");
      return super.exec(text);
    }
  }
  const ends = ["emStrongRDelimAst", "emStrongRDelimUnd", "delRDelim"] as const;
  return { ...rules, ...Object.fromEntries(ends.map((end) => [end, new Counted(rules[end])])) };
}

/** A table's short rows are filled up: this one gives up in time where most cells would be such. */
class BoundedTokenizer extends Tokenizer {
  override table(source: string): Tokens.Table | undefined {
    const header = /^([^\n]*)\n[ \t|:-]+(?:\n|$)/.exec(source);
    const text = header ? untilBlank(source) : "";
    const cells = header ? header[1]!.split("|").length * text.split("\n").length : 0;
    if (cells > CELLS && cells > text.length / 2) {
      throw new Error(`a table has more than ${CELLS.toLocaleString("en")} cells, most of them empty, which cannot be read in time`);
    }
    return super.table(source);
  }
}

function untilBlank(source: string): string {
  const end = source.search(/\n[ \t]*\n/);
  return end < 0 ? source : source.slice(0, end);
}
