import { readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { gguf } from "@huggingface/gguf";
import { parse, stringify } from "yaml";
import { packageRoot } from "../setup/paths.js";
import { sha256 } from "./files.js";
import { type Entries, strings, text, uint32 } from "./gguf-metadata.js";
import type { LanguageModel } from "./load.js";
import type { Lora } from "./lora.js";

/** A licence as the hub's model cards and GGUF's `general.license` name it: a lower-case SPDX id, or "other" with a name and an address. */
interface License {
  id: string;
  name?: string;
  link?: string;
}

/** What an exported model was made from. */
export interface Provenance {
  /** The repository on the hub where it is known, else the file's or directory's name. */
  baseModel: string;
  /** SHA-256 of the base model's weights, as `LanguageModel.sha256` has it. */
  baseSha256: string;
  hub?: LanguageModel["hub"];
  /** The base model's, where its files say it. */
  license?: License;
  /** False for the base model as it is. */
  merged: boolean;
  /** SHA-256 of the merged adapter's adapter_model.safetensors, where its folder is known. */
  adapterSha256?: string;
  /** erpo's version. */
  erpo: string;
}

/**
 * What a model with an adapter merged in, or null, is made from.
 * @param adapterDir the PEFT folder that the adapter was read from
 */
export async function provenanceOf(model: LanguageModel, lora: Lora | null, adapterDir?: string): Promise<Provenance> {
  const license = await licenseOf(model.source);
  return {
    baseModel: model.hub?.repository ?? model.name,
    baseSha256: model.sha256,
    ...(model.hub && { hub: model.hub }),
    ...(license && { license }),
    merged: lora !== null,
    ...(lora && adapterDir !== undefined && { adapterSha256: await sha256(join(adapterDir, "adapter_model.safetensors")) }),
    erpo: JSON.parse(readFileSync(join(packageRoot(), "package.json"), "utf8")).version,
  };
}

/** The licence that a model's files state: GGUF's metadata, or a directory's model card (README.md), else its config.json. */
async function licenseOf(source: string): Promise<License | undefined> {
  let stated: Record<string, unknown>;
  if (source.endsWith(".gguf")) {
    const { metadata } = await gguf(source, { allowLocalFile: true });
    const general = metadata as unknown as Record<string, unknown>;
    stated = {
      license: general["general.license"],
      license_name: general["general.license.name"],
      license_link: general["general.license.link"],
    };
  } else {
    const dir = statSync(source).isDirectory() ? source : dirname(source);
    stated = { ...readConfig(join(dir, "config.json")), ...readFrontMatter(join(dir, "README.md")) };
  }
  const [id, name, link] = [stated.license, stated.license_name, stated.license_link].map((value) =>
    typeof value === "string" && value !== "" ? value : undefined,
  );
  return id === undefined ? undefined : { id: id.toLowerCase(), ...(name && { name }), ...(link && { link }) };
}

/** Fields of a file that may be missing, or be no such file at all. */
function readFields(path: string, fields: (content: string) => unknown): Record<string, unknown> {
  try {
    const value = fields(readFileSync(path, "utf8"));
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

const readConfig = (path: string) => readFields(path, JSON.parse);
const readFrontMatter = (path: string) =>
  readFields(path, (content) => {
    const [first, ...lines] = content.split(/\r?\n/);
    const end = lines.indexOf("---");
    return first === "---" && end >= 0 ? parse(lines.slice(0, end).join("\n")) : undefined;
  });

const inWords = ({ baseModel, merged, erpo }: Provenance): string =>
  `${baseModel}${merged ? " with a LoRA adapter merged in" : ""}, written by erpo ${erpo}`;

/** The keys of the GGUF specification (docs/gguf.md, "General metadata") for a model's sources, and erpo's own for the digests, which it has no keys for. */
export function ggufProvenance(made: Provenance): Entries {
  const { hub, license } = made;
  const optional = (key: string, value: string | undefined): Entries => (value === undefined ? {} : { [key]: text(value) });
  return {
    "general.type": text("model"),
    "general.description": text(inWords(made)),
    ...optional("general.license", license?.id),
    ...optional("general.license.name", license?.name),
    ...optional("general.license.link", license?.link),
    "general.base_model.count": uint32(1),
    "general.base_model.0.name": text(made.baseModel),
    ...optional("general.base_model.0.version", hub?.commit),
    ...optional("general.base_model.0.organization", hub?.repository.split("/")[0]),
    ...optional("general.base_model.0.repo_url", hub && `https://huggingface.co/${hub.repository}`),
    "general.tags": strings(["erpo", "text-generation"]),
    "erpo.version": text(made.erpo),
    "erpo.base_model.sha256": text(made.baseSha256),
    ...optional("erpo.adapter.sha256", made.adapterSha256),
  };
}

/** The same for a safetensors file's `__metadata__`, which holds strings alone; `format` is what transformers asks for. */
export function safetensorsProvenance({ baseModel, baseSha256, hub, license, adapterSha256, erpo }: Provenance): Record<string, string> {
  return {
    format: "pt",
    base_model: baseModel,
    ...(hub?.commit && { base_model_revision: hub.commit }),
    base_model_sha256: baseSha256,
    ...(adapterSha256 && { adapter_sha256: adapterSha256 }),
    ...(license && { license: license.id }),
    erpo_version: erpo,
  };
}

/**
 * A model card: README.md with the hub's front matter, what was merged, and how to check it.
 * @param type of `erpo export safetensors --type`
 */
export function modelCard(name: string, made: Provenance, type: string): string {
  const { baseModel, baseSha256, hub, license, merged, adapterSha256 } = made;
  const fields = {
    base_model: baseModel,
    ...(merged && { base_model_relation: "finetune" }),
    ...(license && { license: license.id }),
    ...(license?.name && { license_name: license.name }),
    ...(license?.link && { license_link: license.link }),
    library_name: "transformers",
    pipeline_tag: "text-generation",
    tags: ["erpo"],
  };
  const digests = [
    `| base model | ${baseModel}${hub?.commit ? ` at commit ${hub.commit}` : ""} | \`${baseSha256}\` |`,
    ...(merged ? [`| adapter | LoRA, merged into the weights | ${adapterSha256 ? `\`${adapterSha256}\`` : "not known"} |`] : []),
  ];
  return `---
${stringify(fields)}---

# ${name}

${inWords(made)}.

| made from | | SHA-256 |
|---|---|---|
${digests.join("\n")}

A base model's digest is that of its weights file; of several files, that of their digests in hexadecimal, one after another as the index
names them. An adapter's is that of adapter_model.safetensors; \`sha256sum\` computes it. The same digests are in the metadata of each weights file.
To check the weights, write them again from the same files and compare:

\`\`\`sh
erpo export safetensors --model BASE ${merged ? "--adapter ADAPTER " : ""}--type ${type} --output again
\`\`\`
`;
}
