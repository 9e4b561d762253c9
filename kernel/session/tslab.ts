import { createRequire } from "node:module";
import { currentFrontend } from "../../src/frontend/frontend.js";
import { kernelImporter } from "../language/packages.js";

/** What tslab hands to its own kernel: a display message and whether it replaces an earlier one. */
type WriteDisplayData = (
  message: { data: Record<string, unknown>; metadata: Record<string, unknown>; transient?: { display_id?: string } },
  update?: boolean,
) => void;

/** Makes `import * as tslab from "tslab"` show through this kernel: the package's display functions call a hook that its kernel sets. */
export function connectTslab(): void {
  const jupyter = createRequire(kernelImporter)("tslab/dist/jupyter") as { lastWriteDisplayData: WriteDisplayData | null };
  if (jupyter.lastWriteDisplayData) return;
  let anonymous = 0;
  jupyter.lastWriteDisplayData = ({ data, metadata, transient }, update) => {
    currentFrontend().display(data, metadata, transient?.display_id ?? `tslab-${++anonymous}`, update ?? false);
  };
}
