import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../src/setup/paths.js";
import { PROTOCOL_VERSION } from "./messages.js";

/** The content of kernel_info_reply. Reads two package.json files and loads nothing, so that it can be sent at once. */
export function kernelInfo(): Record<string, unknown> {
  const root = packageRoot();
  const version = versionIn(join(root, "package.json")) ?? "0";
  const typescript =
    versionIn(join(root, "node_modules", "typescript", "package.json")) ?? versionIn(join(root, "..", "typescript", "package.json")) ?? "5";
  return {
    status: "ok",
    protocol_version: PROTOCOL_VERSION,
    implementation: "erpo",
    implementation_version: version,
    language_info: {
      name: "typescript",
      version: typescript,
      mimetype: "text/typescript",
      file_extension: ".ts",
      pygments_lexer: "typescript",
      codemirror_mode: { name: "javascript", mode: "typescript", typescript: true },
      nbconvert_exporter: "script",
    },
    banner: `TypeScript ${typescript} (erpo ${version}, Node ${process.versions.node})`,
    help_links: [
      { text: "TypeScript", url: "https://www.typescriptlang.org/docs/" },
      { text: "Node.js", url: "https://nodejs.org/docs/latest/api/" },
      { text: "TensorFlow.js", url: "https://js.tensorflow.org/api/latest/" },
    ],
    debugger: true,
    supported_features: ["debugger"],
  };
}

function versionIn(file: string): string | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")).version;
  } catch {
    return undefined;
  }
}
