// Runs llama.cpp by way of node-llama-cpp, which must be importable from the working directory.
// node llama-cpp.mjs FILE.gguf '[id, ...]' -> a JSON line of probabilities of the next token, by id
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const require = createRequire(join(process.cwd(), "package.json"));
const { getLlama } = await import(pathToFileURL(require.resolve("node-llama-cpp")).href);
const llama = await getLlama({ gpu: false, build: "never", skipDownload: true, progressLogs: false, logLevel: "error", maxThreads: 1 });
const model = await llama.loadModel({ modelPath: process.argv[2] });
const cache = { flashAttention: false, experimentalKvCacheKeyType: "F32", experimentalKvCacheValueType: "F32" }; // all in f32
const sequence = (await model.createContext({ contextSize: 64, threads: 1, ...cache })).getSequence();
const ids = JSON.parse(process.argv[3]);
const options = { generateNext: { probabilities: true, options: { temperature: 1, topK: 0, topP: 1, minP: 0 } } };
const results = await sequence.controlledEvaluate([...ids.slice(0, -1), [ids.at(-1), options]]);
const { probabilities } = results.at(-1).next;
process.stdout.write(`${JSON.stringify([...probabilities].sort(([a], [b]) => a - b).map(([, p]) => p))}\n`, () => process.exit(0));
