/** A line broken between words, in lines of at most `width` characters; a word that is longer than a line is broken too. */
export function wrapped(line: string, width: number): string[] {
  const lines: string[] = [];
  let rest = line;
  while (rest.length > width) {
    const space = rest.lastIndexOf(" ", width);
    const at = space > 0 ? space : width - (/[\uD800-\uDBFF]/.test(rest[width - 1]!) ? 1 : 0); // a character of two units stays whole
    lines.push(rest.slice(0, at));
    rest = rest.slice(at).trimStart();
  }
  return [...lines, rest];
}
