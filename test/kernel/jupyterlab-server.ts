import { spawn } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { install } from "../../kernel/install.js";
import { freePorts } from "./client.js";

/** A JupyterLab, and the Notebook that comes with its server, over a folder of its own with this kernel. */
export interface Lab {
  address: string;
  stop(): void;
}

/** @param notebooks the cells of each, by the file's name without `.ipynb` */
export async function startLab(python: string, notebooks: Record<string, readonly string[]>): Promise<Lab> {
  const folder = mkdtempSync(join(tmpdir(), "erpo-lab-"));
  install({ prefix: join(folder, "prefix") });
  const metadata = { kernelspec: { name: "erpo", display_name: "TypeScript (ERPO)", language: "typescript" } };
  for (const [name, texts] of Object.entries(notebooks)) {
    const cells = texts.map((source, i) => ({
      cell_type: "code",
      id: `cell-${i}`,
      metadata: {},
      source,
      outputs: [],
      execution_count: null,
    }));
    writeFileSync(join(folder, `${name}.ipynb`), JSON.stringify({ cells, metadata, nbformat: 4, nbformat_minor: 5 }));
  }
  const [port] = await freePorts(1);
  const server = spawn(
    python,
    [
      "-m",
      "jupyterlab",
      "--no-browser",
      "--allow-root",
      `--port=${port}`,
      `--ServerApp.root_dir=${folder}`,
      "--IdentityProvider.token=",
      "--LabApp.expose_app_in_browser=True",
      "--JupyterNotebookApp.expose_app_in_browser=True",
      "--LabApp.news_url=None",
    ],
    {
      cwd: folder,
      env: {
        ...process.env,
        HOME: folder,
        JUPYTER_PATH: join(folder, "prefix", "share", "jupyter"),
        JUPYTER_CONFIG_DIR: join(folder, "config"),
        JUPYTER_DATA_DIR: join(folder, "data"),
        JUPYTER_RUNTIME_DIR: join(folder, "runtime"),
      },
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  await new Promise<void>((resolve, reject) => {
    let log = "";
    server.stderr.on("data", (chunk) => {
      log += chunk;
      if (log.includes("is running at")) resolve();
    });
    server.once("exit", () => reject(new Error(`JupyterLab has ended:\n${log}`)));
  });
  return { address: `http://127.0.0.1:${port}`, stop: () => server.removeAllListeners("exit").kill("SIGTERM") };
}
