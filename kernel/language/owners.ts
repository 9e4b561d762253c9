import type { Declared } from "./names.js";

/** Where later cells find a name. */
export interface Owner {
  /** The cell that has declared it last. */
  module: string;
  /** The module that has its type, where that has been inferred anew since. */
  inferred?: string;
  kind: Declared["kind"];
  comment: string;
  /** The cell in which its value stands; undefined for a type alone. */
  value: string | undefined;
  /** The cell in which a plain type of the name stands; see `Declared`. */
  type: string | undefined;
}

/**
 * What a name keeps of its earlier meaning where a cell declares it again: its value beside a new type, its type beside a new constant or function, as in
 * `type User = z.infer<typeof User>`. A variable that later cells assign keeps none, since they could only import it.
 */
function keeps({ value, type, kind }: Declared, before: Owner | undefined): Partial<Pick<Owner, "value" | "type">> {
  if (!value) return { value: before?.value };
  return type === "none" && kind !== "let" ? { type: before?.type } : {};
}

/** @param before of the same name, until the cell `module` declares it */
export function ownerOf(declared: Declared, module: string, before: Owner | undefined): Owner {
  const { value, type } = keeps(declared, before);
  const { kind, comment } = declared;
  return {
    module,
    kind: value || type ? "other" : kind,
    comment,
    value: declared.value ? module : value,
    type: declared.type === "plain" ? module : type,
  };
}

/**
 * What stands behind a cell's text: the names that it uses, from the cells that have them, and its own for later ones. It stands behind the text so that positions stay
 * what they are.
 * @param owner of a name, before the cell
 */
export function bookkeeping(own: readonly Declared[], used: Iterable<string>, owner: (name: string) => Owner | undefined): string {
  const unexported = own.filter(({ exported }) => !exported).map(({ name }) => name);
  const lines = [`export { ${unexported.join(", ")} };`];
  for (const declared of own) {
    const { value, type } = keeps(declared, owner(declared.name));
    const { name } = declared;
    const start = declared.exported ? "export " : "";
    if (value) lines.push(`${start}declare const ${name}: typeof import("${value}").${name};`);
    if (type) lines.push(`${start}type ${name} = import("${type}").${name};`);
  }
  const names = new Set(own.map(({ name }) => name));
  for (const name of used) {
    const found = owner(name);
    if (!found || names.has(name)) continue;
    const { kind, comment } = found;
    const module = found.inferred ?? found.module;
    lines.push(
      kind === "other" ? `import { ${name} } from "${module}";` : `${comment}declare ${kind} ${name}: typeof import("${module}").${name};`,
    );
  }
  return `\n;${lines.join("\n")}\n`;
}
