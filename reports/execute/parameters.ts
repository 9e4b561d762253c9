import { type Cell, type CodeCell, cellTags, type Notebook, NotebookError } from "../notebook/types.js";

/** Values for a notebook's parameters. */
export type Parameters = Record<string, unknown>;

/**
 * Sets a notebook's parameters as papermill does: a cell tagged `injected-parameters` after the one tagged `parameters`, in place of an
 * earlier injected one. Each value is declared as the `parameters` cell declares it, with the same keyword and type, so that it is checked.
 *
 * @param language of the kernel: `typescript`, `javascript` or `python`
 * @returns a new notebook, and warnings such as a name that the `parameters` cell does not have
 * @throws NotebookError when there is no place for them, or no way to write a value in that language
 */
export function injectParameters(notebook: Notebook, parameters: Parameters, language: string): { notebook: Notebook; warnings: string[] } {
  if (Object.keys(parameters).length === 0) return { notebook, warnings: [] };
  const cells = notebook.cells.filter((cell) => !cellTags(cell).includes("injected-parameters"));
  const at = cells.findIndex((cell) => cell.cell_type === "code" && cellTags(cell).includes("parameters"));
  if (at < 0) throw new NotebookError("parameters were given, but no code cell is tagged `parameters`");
  const declared = declarations(cells[at]!.source);
  const warnings = Object.keys(parameters)
    .filter((name) => language !== "python" && !declared.has(name))
    .map((name) => `the parameters cell has no "${name}"${declared.size ? `; it has ${[...declared.keys()].join(", ")}` : ""}`);
  const lines = Object.entries(parameters).map(([name, value]) => assignment(name, value, language, declared.get(name)));
  const injected: CodeCell = {
    cell_type: "code",
    ...(hasIds(notebook) && { id: freeId(cells, "injected-parameters") }),
    metadata: { tags: ["injected-parameters"] },
    execution_count: null,
    outputs: [],
    source: [language === "python" ? "# Parameters" : "// Parameters", ...lines].join("\n"),
  };
  return { notebook: { ...notebook, cells: [...cells.slice(0, at + 1), injected, ...cells.slice(at + 1)] }, warnings };
}

/** Names that a notebook's `parameters` cell declares; none where that is missing, or not in TypeScript or JavaScript. */
export function parameterNames({ cells }: Notebook): string[] {
  const cell = cells.find((cell) => cell.cell_type === "code" && cellTags(cell).includes("parameters"));
  return cell ? [...declarations(cell.source).keys()] : [];
}

/**
 * A notebook's parameters as it declares them: what its `parameters` cell sets to a plain value on a line of its own (`let beta = 0.1; // why`).
 * Values that take code to know are left out.
 * @param tags of the cells; with "injected-parameters" too, what papermill has set in their place
 */
export function declaredParameters(notebook: Notebook, tags: readonly string[] = ["parameters"]): Parameters {
  const cells = notebook.cells.filter((cell) => cell.cell_type === "code" && cellTags(cell).some((tag) => tags.includes(tag)));
  const found: Parameters = {};
  for (const line of cells.flatMap(({ source }) => source.split(/[\r\n]/))) {
    const [, name, literal] = LITERAL.exec(line) ?? [];
    if (name === undefined) continue;
    try {
      found[name] = JSON.parse(literal!.replace(/^'(.*)'$/, '"$1"'));
    } catch {} // such as .5: not a literal that JSON has
  }
  return found;
}

const LITERAL =
  /^\s*(?:export\s+)?(?:let|const|var)\s+([\p{L}_$][\p{L}\p{N}_$]*)\s*(?::[^=]+)?=\s*("(?:[^"\\]|\\.)*"|'[^'"\\]*'|-?[\d.][\d.e+-]*|true|false|null)\s*(?:;|\/\/|\/\*|$)/u;

interface Declaration {
  keyword: string;
  /** `: "quick" | "full"`, or empty. */
  type: string;
}

/** The names that a cell declares at its top level, `const name: Type = ...`. */
function declarations(source: string): Map<string, Declaration> {
  const found = new Map<string, Declaration>();
  for (const [, keyword, name, type] of source.matchAll(
    /^(?:export\s+)?(const|let|var)\s+([\p{L}_$][\p{L}\p{N}_$]*)\s*(:[^=\n]+?)?\s*=/gmu,
  )) {
    found.set(name!, { keyword: keyword!, type: type ?? "" });
  }
  return found;
}

function assignment(name: string, value: unknown, language: string, declared: Declaration | undefined): string {
  if (!/^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(name)) throw new NotebookError(`parameter ${JSON.stringify(name)}: not a name that code can use`);
  switch (language) {
    case "typescript":
      return `${declared?.keyword ?? "const"} ${name}${declared?.type ?? ""} = ${JSON.stringify(value)};`;
    case "javascript":
      return `var ${name} = ${JSON.stringify(value)};`;
    case "python":
      return `${name} = ${python(value)}`;
    default:
      throw new NotebookError(`parameters cannot be set in a notebook in ${language || "an unknown language"}`);
  }
}

function python(value: unknown): string {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  if (typeof value === "object")
    return `{${Object.entries(value as object)
      .map(([key, item]) => `${JSON.stringify(key)}: ${python(item)}`)
      .join(", ")}}`;
  return JSON.stringify(value);
}

const hasIds = (notebook: Notebook) => notebook.nbformat_minor >= 5;

function freeId(cells: readonly Cell[], wanted: string): string {
  const taken = new Set(cells.map((cell) => cell.id));
  for (let n = 1; ; n++) {
    const id = n === 1 ? wanted : `${wanted}-${n}`;
    if (!taken.has(id)) return id;
  }
}
