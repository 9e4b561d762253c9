import { readFileSync } from "node:fs";
import { join } from "node:path";
import { home } from "../setup/paths.js";
import { WeightsError } from "./errors.js";

/** The hub does not answer, or not now. */
export class HubUnreachable extends WeightsError {
  constructor(
    repository: string,
    /** Which host, and what it does. */
    readonly reason: string,
    remedy: string,
  ) {
    super(repository, `no such file or directory, and ${reason}`, remedy);
  }
}

/** The hub's address: `HF_ENDPOINT`, else https://huggingface.co. @throws WeightsError when it is no http address */
export function hubUrl(): string {
  const url = (process.env.HF_ENDPOINT || "https://huggingface.co").replace(/\/$/, "");
  if (!/^https?:\/\//.test(url) || !URL.canParse(url)) throw new WeightsError("HF_ENDPOINT", `${url} is no http address`, "correct it");
  return url;
}

/** Where `huggingface_hub` for Python keeps what it knows: `HF_HOME`, else `$XDG_CACHE_HOME/huggingface`, else `~/.cache/huggingface`. */
const pythonHome = () => process.env.HF_HOME || join(process.env.XDG_CACHE_HOME || join(home(), ".cache"), "huggingface");

/** Where it keeps repositories: `HF_HUB_CACHE`, else `hub` in its folder. */
export const pythonCache = (): string => process.env.HF_HUB_CACHE || join(pythonHome(), "hub");

/** `HF_TOKEN`, else the token that `hf auth login` has stored. */
function hubToken(): string | undefined {
  if (process.env.HF_TOKEN) return process.env.HF_TOKEN;
  try {
    return readFileSync(process.env.HF_TOKEN_PATH || join(pythonHome(), "token"), "utf8").trim() || undefined;
  } catch {
    return undefined;
  }
}

/**
 * `fetch` for a repository: sends the token to the hub alone, and says in one line why there is no answer, or no good one.
 * @throws HubUnreachable, WeightsError
 */
export function hubFetch({ repository, revision }: { repository: string; revision: string }): typeof fetch {
  const endpoint = hubUrl();
  const token = hubToken();
  const ways = "give a folder or a .gguf file of this machine, take smollm2-135m-instruct, or set HF_ENDPOINT to a mirror";
  return async (url, init) => {
    const headers = new Headers(init?.headers);
    if (token && new URL(String(url)).origin === new URL(endpoint).origin) headers.set("Authorization", `Bearer ${token}`);
    let response: Response;
    try {
      response = await fetch(url, { ...init, headers });
    } catch (error) {
      const { code, message } = ((error as Error).cause ?? error) as NodeJS.ErrnoException;
      throw new HubUnreachable(repository, `${new URL(endpoint).host} cannot be reached (${code ?? message})`, ways);
    }
    if (response.ok) return response;
    await response.body?.cancel();
    const { status } = response;
    const reason = response.headers.get("X-Error-Code");
    if (reason === "GatedRepo" || status === 403) {
      const problem = token ? "the repository is gated, and the token's account has not been let in" : "the repository is gated";
      throw new WeightsError(repository, problem, `ask for access at ${endpoint}/${repository}${token ? "" : ", then set HF_TOKEN"}`);
    }
    if (reason === "RevisionNotFound")
      throw new WeightsError(repository, `no revision ${revision} at ${endpoint}`, "check the name behind @");
    if (status === 401 || status === 404) {
      const next = token ? "the token may not read" : "needs HF_TOKEN";
      const problem = `no such file or directory, nor a repository at ${endpoint}`;
      throw new WeightsError(repository, problem, `check the name; a private one ${next}`);
    }
    throw new HubUnreachable(repository, `${new URL(endpoint).host} answers with status ${status}`, `try again later, or ${ways}`);
  };
}
