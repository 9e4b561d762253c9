/** What is used of TensorFlow.js's engine, which it keeps in a global. */
interface Engine {
  state: { scopeStack: unknown[]; gradientDepth: number; kernelDepth: number; activeTape: unknown };
  endScope(): void;
}

/**
 * Remembers how deep TensorFlow.js's scopes are. The function returned rewinds to there and frees the tensors made in between:
 * terminated code runs no `finally`, so `tf.tidy` cannot do it.
 */
export function markTensorScope(): () => void {
  const engine = () => (globalThis as { _tfengine?: Engine })._tfengine;
  const depth = engine()?.state.scopeStack.length ?? 0;
  return () => {
    const now = engine();
    if (!now || now.state.scopeStack.length <= depth) return;
    while (now.state.scopeStack.length > depth) now.endScope();
    Object.assign(now.state, { gradientDepth: 0, kernelDepth: 0, activeTape: null });
  };
}
