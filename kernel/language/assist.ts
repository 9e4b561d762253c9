import { dirname } from "node:path";

import ts = require("typescript");

import { readable } from "./diagnostics.js";
import { isJsx } from "./jsx.js";
import type { Language } from "./language.js";
import { parseCell } from "./parse-cell.js";
import { pathCompletions } from "./path-completions.js";
import { toCodePoints, toCodeUnits } from "./positions.js";

/** What a parser says about text that may not be finished. */
export interface Completeness {
  status: "complete" | "incomplete" | "invalid";
  /** Only with `incomplete`: what the next line should begin with. */
  indent?: string;
}

/** Codes of "unterminated ..." faults: more text mends them. */
const UNTERMINATED = new Set([1010 /* comment */, 1160 /* template */]);
/** A string's: it ends with its line. */
const UNTERMINATED_STRING = 1002;

/** Whether `code` could run as it is, needs more text, or is wrong whatever follows. */
export function isComplete(code: string): Completeness {
  const faults = parseCell(code).parseDiagnostics;
  if (faults.length === 0 || isJsx(code)) return { status: "complete" };
  const end = code.trimEnd().length;
  const first = faults[0]!;
  const isCut = first.code === UNTERMINATED_STRING && !code.trimEnd().endsWith("\\");
  const atEnd = !isCut && ((first.start ?? 0) >= end || UNTERMINATED.has(first.code));
  if (!atEnd) return { status: "invalid" };
  const line = code.trimEnd().split("\n").at(-1) ?? "";
  const indent = /^\s*/.exec(line)![0] + (/[{([]$/.test(line) ? "  " : "");
  return { status: "incomplete", indent };
}

export interface Completions {
  matches: string[];
  /** In Unicode code points. */
  start: number;
  end: number;
  kinds: string[];
}

/** @param cursor in Unicode code points */
export function complete(language: Language, code: string, cursor: number): Completions {
  const position = toCodeUnits(code, cursor);
  const { service, file } = language.open(code);
  const info = service.getCompletionsAtPosition(file, position, { includeCompletionsWithInsertText: false });
  const word = /[\p{ID_Continue}$]*$/u.exec(code.slice(0, position))![0];
  const span = info?.optionalReplacementSpan ?? info?.entries.find((entry) => entry.replacementSpan)?.replacementSpan;
  const start = span && span.start <= position ? span.start : position - word.length;
  const fits = (from: number) => {
    const prefix = code.slice(from, position).toLowerCase();
    return ({ name }: { name: string }) => name.toLowerCase().startsWith(prefix);
  };
  const known = (info?.entries ?? [])
    .filter((entry) => entry.kind !== ts.ScriptElementKind.warning && fits(start)(entry))
    .sort((a, b) => (a.sortText < b.sortText ? -1 : a.sortText > b.sortText ? 1 : a.name < b.name ? -1 : 1));
  const paths = pathCompletions(dirname(file), code, position);
  const isSame = paths?.start === start;
  const others = (known.length === 0 || isSame) && paths ? paths.entries.filter(fits(paths.start)) : [];
  const entries = [...new Map([...known, ...others].map(({ name, kind }) => [name, kind]))];
  return {
    matches: entries.map(([name]) => name),
    kinds: entries.map(([, kind]) => kind),
    start: toCodePoints(code, known.length === 0 && paths ? paths.start : start),
    end: toCodePoints(code, position),
  };
}

/** What is known of a name: its type and its documentation. */
export interface Inspection {
  signature: string;
  documentation: string;
}

/** What stands at the cursor (in Unicode code points). Undefined where nothing is known. */
export function inspectAt(language: Language, code: string, cursor: number): Inspection | undefined {
  const position = toCodeUnits(code, cursor);
  const { service, file } = language.open(code);
  language.document(file, [position, Math.max(0, position - 1)]);
  const info =
    service.getQuickInfoAtPosition(file, position) ?? (position > 0 ? service.getQuickInfoAtPosition(file, position - 1) : undefined);
  const signature = info ? undefined : callAround(language, service, file, position);
  if (signature) return signature;
  if (!info) return undefined;
  const tags = (info.tags ?? []).map((tag) => `@${tag.name} ${ts.displayPartsToString(tag.text)}`.trim());
  const documentation = [ts.displayPartsToString(info.documentation), tags.join("\n")].filter(Boolean).join("\n\n");
  const shown = readable(ts.displayPartsToString(info.displayParts));
  return { signature: shown.replace(/^\(alias\) (.*)\nimport .*$/s, "$1"), documentation };
}

/** The signature of the call in whose parentheses the cursor stands. */
function callAround(language: Language, service: ts.LanguageService, file: string, position: number): Inspection | undefined {
  const span = service.getSignatureHelpItems(file, position, undefined)?.applicableSpan;
  if (!span) return undefined;
  language.document(file, [span.start - 1]); // where the called name ends
  const help = service.getSignatureHelpItems(file, position, undefined)!;
  const item = help.items[help.selectedItemIndex];
  if (!item) return undefined;
  const text = (parts: readonly ts.SymbolDisplayPart[]) => ts.displayPartsToString([...parts]);
  const parameters = item.parameters.map((parameter) => text(parameter.displayParts)).join(text(item.separatorDisplayParts));
  return {
    signature: readable(text(item.prefixDisplayParts) + parameters + text(item.suffixDisplayParts)),
    documentation: text(item.documentation),
  };
}
