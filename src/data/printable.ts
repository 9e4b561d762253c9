/**
 * Text of somebody else's as a terminal may show it: control characters (C0, C1, DEL), what formats or turns the direction of writing, line separators and halves of
 * characters become `\u001b`. What is left changes neither the screen nor the order of what stands on it.
 */
export const printable = (text: string): string =>
  text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (character) => {
    const code = character.codePointAt(0)!.toString(16);
    return code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, "0")}`;
  });
