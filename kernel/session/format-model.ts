/** What is used of a tf.LayersModel. */
interface Model {
  name: string;
  layers: unknown[];
  summary(lineLength: undefined, positions: undefined, print: (line: string) => void): void;
}

/** TensorFlow.js's models of layers, by what they have. */
export function isModel(value: unknown): value is Model {
  const model = value as (Partial<Model> & { inputs?: unknown }) | null | undefined;
  if (typeof model !== "object" || model === null || !Object.hasOwn(model, "_callHook")) return false; // of every layer, and a model is one
  return (
    Array.isArray(model.layers) && Array.isArray(model.inputs) && typeof model.name === "string" && typeof model.summary === "function"
  );
}

/** Its table of layers, with their shapes and parameters. A model that knows no shapes yet has none. */
export function modelText(model: Model): string {
  const title = `${model.constructor.name} ${model.name}`;
  const lines: string[] = [];
  try {
    model.summary(undefined, undefined, (line) => lines.push(line));
  } catch {
    return `${title}, ${model.layers.length} layers, not built yet: the first layer has no input shape`;
  }
  return [title, ...lines].join("\n");
}
