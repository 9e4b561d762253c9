import { typescriptOf } from "../session/magics.js";
import { complete, inspectAt, isComplete } from "./assist.js";
import type { Language } from "./language.js";

/** The content of a request or of its reply. */
type Content = Record<string, unknown>;

/** What a frontend asks of the language, by the request's type. */
const answers: Record<string, (language: Language, content: Content) => Content> = {
  complete_request(language, { code, cursor_pos }) {
    const text = typescriptOf(String(code ?? ""));
    const nothing = { matches: [], kinds: [], start: cursor_pos, end: cursor_pos };
    const { matches, kinds, start, end } = text === undefined ? nothing : complete(language, text, Number(cursor_pos));
    const typed = matches.map((text, i) => ({ text, type: kinds[i], start, end }));
    return { status: "ok", matches, cursor_start: start, cursor_end: end, metadata: { _jupyter_types_experimental: typed } };
  },

  inspect_request(language, { code, cursor_pos }) {
    const text = typescriptOf(String(code ?? ""));
    const found = text === undefined ? undefined : inspectAt(language, text, Number(cursor_pos));
    if (!found) return { status: "ok", found: false, data: {}, metadata: {} };
    const { signature, documentation } = found;
    const data = {
      "text/plain": [signature, documentation].filter(Boolean).join("\n\n"),
      "text/markdown": [`\`\`\`typescript\n${signature}\n\`\`\``, documentation].filter(Boolean).join("\n\n"),
    };
    return { status: "ok", found: true, data, metadata: {} };
  },

  is_complete_request(_, { code }) {
    return { ...isComplete(typescriptOf(String(code ?? "")) ?? "") };
  },
};

/** Answers a frontend's question about code with the content of the reply; what goes wrong is that content. */
export function answerQuestion(language: Language, type: string, content: Content): Content {
  try {
    return answers[type]!(language, content);
  } catch (thrown) {
    const { name, message } = thrown as Error;
    return { status: "error", ename: name, evalue: message, traceback: [`${name}: ${message}`] };
  }
}
