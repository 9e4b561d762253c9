/** Brackets inside brackets of a JSON text that is read: far more than data have, and few enough for any code that goes down a level per call. */
export const MAX_DEPTH = 500;

/**
 * `JSON.parse` for text that others wrote. The parser itself takes any depth, but what checks, copies or writes its values goes down a level per call.
 * @throws SyntaxError when it is not JSON, or has more than `MAX_DEPTH` brackets inside each other
 */
export function parseJsonText(text: string): unknown {
  if (isTooDeep(text)) throw new SyntaxError(tooDeep);
  return JSON.parse(text);
}

/** What is wrong with a text for which `isTooDeep` holds. */
export const tooDeep = `more than ${MAX_DEPTH} brackets inside each other`;

/** Whether a JSON text, or the part of YAML that is written as JSON, has more than `MAX_DEPTH` brackets inside each other. */
export function isTooDeep(text: string): boolean {
  if (text.length <= MAX_DEPTH) return false;
  const [QUOTE, BACKSLASH] = [0x22, 0x5c];
  let [depth, inText] = [0, false];
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (inText) {
      if (code === BACKSLASH) i++;
      else if (code === QUOTE) inText = false;
    } else if (code === QUOTE) inText = true;
    else if (code === 0x7b || code === 0x5b) {
      if (++depth > MAX_DEPTH) return true;
    } else if (code === 0x7d || code === 0x5d) depth--;
  }
  return false;
}

/** Whether a value is an object with fields: neither a list nor null. */
export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
