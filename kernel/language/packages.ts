import { createRequire } from "node:module";
import { dirname, join, sep } from "node:path";
import { packageRoot } from "../../src/setup/paths.js";

const root = packageRoot();
const kernelRequire = createRequire(join(root, "package.json"));

/** The kernel's own folder: what a cell does not find beside its notebook is looked for from here. */
export const kernelRoot = root;

/** A file in the kernel's folder; imports of the kernel's own packages are resolved as if it made them. It need not exist. */
export const kernelImporter = join(root, "kernel.ts");

/** Whether a file is the kernel's or one of its packages'. A notebook may lie in the kernel's folder, too. */
export const isKernelFile = (file: string): boolean => kernelFolders.some((folder) => file.startsWith(folder));
/** Whether a file is the reader's own, and no package's nor the kernel's: it may change while the session runs. */
export const isOwnFile = (file: string): boolean => !/[\\/]node_modules[\\/]/.test(file) && !isKernelFile(file);
const kernelFolders = ["dist", "node_modules"].map((name) => join(root, name, sep));

/** The compiled library and its types, which `import ... from "erpo"` means. */
export const library = { code: join(root, "dist", "src", "index.js"), types: join(root, "dist", "src", "index.d.ts") };

/** A module that resolves what cells name, as if it stood beside the notebook. */
export const resolver = "erpo:resolve";

/** Packages that always come from the kernel: two copies of TensorFlow.js in one process clash, and display goes through one tslab. */
export function isKernelPackage(specifier: string): boolean {
  return /^(erpo$|tslab($|\/)|danfojs-node($|\/)|@tensorflow\/)/.test(specifier);
}

/** Whether a package of TensorFlow.js computes on whatever backend there is. */
export function isTensorflow(specifier: string): boolean {
  return /^@tensorflow\/tfjs(-(core|layers|converter|data|node(-gpu)?))?($|\/)/.test(specifier);
}

/** Neither a path nor a URL nor one of Node's modules. */
export function isBare(specifier: string): boolean {
  return !/^([./#]|[a-z][a-z0-9+.-]+:)/i.test(specifier);
}

/** The folder whose `node` holds Node's types. */
export function typeRoot(): string {
  return dirname(dirname(kernelRequire.resolve("@types/node/package.json")));
}

/** `require` for cells: `folder` first, then the kernel. `before` is told what is required. */
export function cellRequire(folder: string, before: (id: string) => void): NodeJS.Require {
  const local = createRequire(join(folder, "cell.js"));
  const resolve = (id: string, options?: { paths?: string[] }): string => {
    if (id === "erpo") return library.code;
    if (isKernelPackage(id)) return kernelRequire.resolve(id);
    try {
      return local.resolve(id, options);
    } catch (error) {
      if (!isBare(id)) throw error;
      try {
        return kernelRequire.resolve(id);
      } catch {
        throw error;
      }
    }
  };
  const load = (id: string) => {
    before(id);
    return local(resolve(id));
  };
  return Object.assign(load, local, { resolve: Object.assign(resolve, local.resolve) });
}
