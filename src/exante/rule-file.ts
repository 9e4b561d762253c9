import { join } from "node:path";
import { type Document, isMap, isScalar, LineCounter, type Node, parseDocument } from "yaml";
import { DataError } from "../data/errors.js";
import { readText } from "../data/jsonl.js";
import { isTooDeep, tooDeep } from "../setup/json.js";
import { packageRoot } from "../setup/paths.js";
import { contentFault, type RuleSet, type RuleSetContent, ruleSet } from "./rules.js";

/**
 * Reads a rule set from a YAML file; src/exante/rules.schema.json describes its fields.
 * @throws DataError `FILE:LINE: FIELD: cause`
 */
export function readRules(path: string): RuleSet {
  const lines = new LineCounter();
  const text = readText(path);
  if (isTooDeep(text)) throw new DataError(`${path}: not YAML of rules (${tooDeep})`);
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [error] = document.errors;
  if (error) throw new DataError(`${path}:${lines.linePos(error.pos[0]).line}: not YAML (${error.message})`);
  let content: unknown;
  try {
    content = document.toJS();
  } catch (error) {
    throw new DataError(`${path}: not YAML (${(error as Error).message})`); // an alias without its anchor, or too many of them
  }
  const fault = contentFault(content);
  if (!fault) return ruleSet(content as RuleSetContent);
  const line = lines.linePos(offset(document, fault.path)).line || 1;
  throw new DataError(`${path}:${line}: ${fault.path.join(".") || "content"}: ${fault.cause}`);
}

/** Where the field at a path begins in the text: its key, or where there is none what should have it. */
function offset(document: Document.Parsed, path: readonly PropertyKey[]): number {
  for (let depth = path.length; depth > 0; depth--) {
    const parent = document.getIn(path.slice(0, depth - 1), true);
    const pair = isMap(parent) ? parent.items.find(({ key }) => isScalar(key) && key.value === path[depth - 1]) : undefined;
    const node = (pair ? pair.key : document.getIn(path.slice(0, depth), true)) as Node | undefined;
    if (node?.range) return node.range[0];
  }
  return document.contents?.range?.[0] ?? 0;
}

let loaded: RuleSet | undefined;

/** The default rules R1 to R14 (src/data/authored/rules.yaml). */
export function defaultRules(): RuleSet {
  loaded ??= readRules(join(packageRoot(), "src/data/authored/rules.yaml"));
  return loaded;
}
