import { loadNativeFirst } from "../../src/backend/native-first.js";

/** Imported for its effect, by files that import TensorFlow.js: it computes natively from their first line on. */
loadNativeFirst();
