import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { isRecord } from "../setup/json.js";
import { WeightsError } from "./errors.js";
import { MAX_JSON_BYTES, parseJson } from "./json.js";

/** What a tokenizer is made of: the parsed tokenizer.json and tokenizer_config.json of the Hugging Face libraries. */
export interface TokenizerFiles {
  tokenizer: Record<string, unknown>;
  config: { chat_template?: string; eos_token: string; bos_token?: string } & Record<string, unknown>;
}

/**
 * Reads tokenizer.json, tokenizer_config.json and, where there is one, chat_template.jinja of a model's directory.
 * @throws WeightsError
 */
export async function tokenizerFromDirectory(dir: string): Promise<TokenizerFiles> {
  const tokenizer = await readJson(join(dir, "tokenizer.json"));
  const config = await readJson(join(dir, "tokenizer_config.json"));
  const template = await readFile(join(dir, "chat_template.jinja"), "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw new WeightsError(join(dir, "chat_template.jinja"), `cannot be read (${error.code})`);
  });
  const text = (value: unknown): string | undefined =>
    typeof value === "string"
      ? value
      : typeof value === "object" && value !== null && "content" in value
        ? String(value.content)
        : undefined;
  const eos = text(config.eos_token);
  if (eos === undefined)
    throw new WeightsError(join(dir, "tokenizer_config.json"), `field "eos_token" is missing`, "it must name the token that ends a text");
  const listed = Array.isArray(config.chat_template)
    ? (config.chat_template as ({ name?: string; template?: unknown } | null)[]).find((t) => t?.name === "default")?.template
    : config.chat_template;
  const chat = template ?? listed;
  const bos = text(config.bos_token);
  return {
    tokenizer,
    config: {
      ...config,
      eos_token: eos,
      ...(bos !== undefined && { bos_token: bos }),
      ...(typeof chat === "string" && { chat_template: chat }),
    },
  };
}

/** A JSON object from a file, or a WeightsError that says why not. */
export async function readJson(
  path: string,
  hint = "a model's directory has config.json, *.safetensors, tokenizer.json and tokenizer_config.json",
): Promise<Record<string, unknown>> {
  const refuse = (error: NodeJS.ErrnoException): never => {
    throw new WeightsError(path, error.code === "ENOENT" ? "missing" : `cannot be read (${error.code})`, hint);
  };
  const { size } = await stat(path).catch(refuse);
  if (size > MAX_JSON_BYTES) throw new WeightsError(path, `${size} bytes`, `a model's JSON files have ${MAX_JSON_BYTES} at most`);
  const bytes = await readFile(path).catch(refuse);
  try {
    const json = parseJson(bytes);
    if (isRecord(json)) return json;
  } catch (error) {
    throw new WeightsError(path, `not JSON: ${(error as Error).message}`, "download it again");
  }
  throw new WeightsError(path, "not a JSON object", "download it again");
}
