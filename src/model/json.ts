/** Most brackets inside brackets, objects and arrays, values, and bytes of a JSON text that is parsed: twice what the largest models have. */
const LIMITS = { depth: 64, containers: 1_500_000, values: 5_000_000 };
export const MAX_JSON_BYTES = 64_000_000;

/**
 * Parses JSON that may be hostile: what it would build is measured first, so that memory stays in proportion.
 * @throws RangeError above a limit; SyntaxError when it is not JSON; TypeError when it is not UTF-8
 */
export function parseJson(bytes: Uint8Array): unknown {
  measureJson(bytes);
  return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
}

/** Measures what a JSON text would build. @throws RangeError above a limit */
export function measureJson(bytes: Uint8Array): void {
  const fail = (what: string): never => {
    throw new RangeError(`too large: more than ${what}`);
  };
  if (bytes.length > MAX_JSON_BYTES) fail(`${MAX_JSON_BYTES / 1e6} MB`);
  const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c];
  let [depth, containers, values, inText] = [0, 0, 0, false];
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!;
    if (inText) {
      if (byte === BACKSLASH) i++;
      else if (byte === QUOTE) inText = false;
    } else if (byte === QUOTE) inText = true;
    else if (byte === COMMA) values++;
    else if (byte === 0x7b || byte === 0x5b) {
      containers++;
      if (++depth > LIMITS.depth) fail(`${LIMITS.depth} brackets inside each other`);
    } else if (byte === 0x7d || byte === 0x5d) depth--;
  }
  if (containers > LIMITS.containers) fail(`${LIMITS.containers} objects and arrays`);
  if (values > LIMITS.values) fail(`${LIMITS.values} values`);
}
