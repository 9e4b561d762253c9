import ts = require("typescript");

/** A statement that adds to the types of what its cell has not declared itself, such as `declare global { ... }`. */
interface Augmentation {
  start: number;
  end: number;
  /** What it declares, each by its names from the outmost to the inmost. */
  members: ReadonlySet<string>;
}

/** What cells that have run add to types, wherever those are from. */
export interface Augmentations {
  /** Makes room for those of the cell that is read next: where it declares a member again, the statement of the earlier cell is left out. Until the next call. */
  beside(parsed: ts.SourceFile): void;
  /** A cell has run, and its file has been written. */
  commit(parsed: ts.SourceFile, file: string, text: string): void;
}

/** @param write sets the text of a cell's file */
export function createAugmentations(write: (file: string, text: string) => void): Augmentations {
  const cells = new Map<string, { text: string; augmentations: Augmentation[] }>(); // by their files

  function beside(parsed: ts.SourceFile): void {
    const own = new Set(augmentationsOf(parsed).flatMap(({ members }) => [...members]));
    for (const [file, { text, augmentations }] of cells)
      write(
        file,
        without(
          text,
          augmentations.filter(({ members }) => meet(members, own)),
        ),
      );
  }

  return {
    beside,
    commit(parsed, file, text) {
      const added = augmentationsOf(parsed);
      if (added.length === 0) return;
      const own = new Set(added.flatMap(({ members }) => [...members]));
      for (const [other, cell] of cells) {
        const replaced = cell.augmentations.filter(({ members }) => meet(members, own));
        const left = { text: without(cell.text, replaced), augmentations: cell.augmentations.filter((one) => !replaced.includes(one)) };
        cells.set(other, left);
        write(other, left.text);
      }
      cells.set(file, { text, augmentations: added });
    },
  };
}

const isAugmentation = (statement: ts.Statement): statement is ts.ModuleDeclaration =>
  ts.isModuleDeclaration(statement) && (ts.isStringLiteral(statement.name) || statement.name.text === "global");

/** Whether a cell adds to the types of what it has not declared itself: then its file stays in the program. */
export const augments = (file: ts.SourceFile): boolean => file.statements.some(isAugmentation);

const augmentationsOf = (file: ts.SourceFile): Augmentation[] =>
  file.statements.filter(isAugmentation).map((statement) => ({
    start: statement.getStart(file),
    end: statement.end,
    members: new Set(membersOf(statement, "")),
  }));

function membersOf(node: ts.Node, outer: string): string[] {
  if (ts.isVariableStatement(node)) return node.declarationList.declarations.flatMap((declaration) => membersOf(declaration, outer));
  const path = `${outer}/${(ts.getNameOfDeclaration(node as ts.Declaration) as ts.Identifier | undefined)?.text ?? ""}`;
  if (ts.isModuleDeclaration(node)) {
    const { body } = node;
    if (!body) return [path];
    return ts.isModuleBlock(body) ? body.statements.flatMap((statement) => membersOf(statement, path)) : membersOf(body, path);
  }
  return ts.isInterfaceDeclaration(node) ? node.members.flatMap((member) => membersOf(member, path)) : [path];
}

const meet = (a: ReadonlySet<string>, b: ReadonlySet<string>) => [...a].some((one) => b.has(one));

/** The text with nothing in the places of these statements. */
const without = (text: string, statements: readonly Augmentation[]): string =>
  statements.reduce((all, { start, end }) => all.slice(0, start) + all.slice(start, end).replace(/\S/g, " ") + all.slice(end), text);
