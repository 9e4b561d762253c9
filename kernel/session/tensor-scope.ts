/** What is used of TensorFlow.js's engine, which it keeps in a global. */
interface Engine {
  state: State;
  endScope(): void;
  trackTensor(tensor: Tracked, backend?: unknown): void;
  disposeTensor(tensor: Tracked): void;
}

interface State {
  scopeStack: { track: unknown[] }[];
  gradientDepth: number;
  kernelDepth: number;
  activeTape: unknown;
  numTensors: number;
  numBytes: number;
  numDataBuffers: number;
  numStringTensors: number;
  tensorInfo: WeakMap<object, unknown>;
}

interface Tracked {
  dataId: object;
  dispose(): void;
}

type Counts = Pick<State, "numTensors" | "numBytes" | "numDataBuffers" | "numStringTensors">;

/** The tensor that is being counted: terminated there, it would count as alive for good. */
let counting: { tensor: Tracked; before: Counts; known: boolean } | undefined;
/** The tensor that is being disposed of: terminated there, it would be taken off twice. */
let disposing: { tensor: Tracked; before: Counts } | undefined;
const watched = new WeakSet<Engine>();

/**
 * Remembers how deep TensorFlow.js's scopes are. The function returned rewinds to there and frees the tensors made in between:
 * terminated code runs no `finally`, so `tf.tidy` cannot do it.
 */
export function markTensorScope(): () => void {
  const engine = () => (globalThis as { _tfengine?: Engine })._tfengine;
  const begun = engine();
  if (begun) watch(begun);
  counting = undefined;
  disposing = undefined;
  const depth = begun?.state.scopeStack.length ?? 0;
  return () => {
    const now = engine();
    if (!now) return;
    forgetCounting(now.state);
    finishDisposing(now.state);
    if (now.state.scopeStack.length <= depth) return;
    while (now.state.scopeStack.length > depth) now.endScope();
    Object.assign(now.state, { gradientDepth: 0, kernelDepth: 0, activeTape: null });
  };
}

/** Notes which tensor is being counted, or disposed of. */
function watch(engine: Engine): void {
  if (watched.has(engine)) return;
  watched.add(engine);
  const track = engine.trackTensor;
  engine.trackTensor = function (tensor, backend) {
    counting = { tensor, before: countsOf(this.state), known: this.state.tensorInfo.has(tensor.dataId) };
    track.call(this, tensor, backend);
    counting = undefined;
  };
  const dispose = engine.disposeTensor;
  engine.disposeTensor = function (tensor) {
    disposing = { tensor, before: countsOf(this.state) };
    dispose.call(this, tensor);
    disposing = undefined;
  };
}

function countsOf({ numTensors, numBytes, numDataBuffers, numStringTensors }: State): Counts {
  return { numTensors, numBytes, numDataBuffers, numStringTensors };
}

/** Takes back what was counted of a tensor whose making was cut off: nobody has it. */
function forgetCounting(state: State): void {
  if (!counting) return;
  const { tensor, before, known } = counting;
  counting = undefined;
  const scope = state.scopeStack.at(-1);
  if (scope?.track.at(-1) === tensor) scope.track.pop();
  if (!known) state.tensorInfo.delete(tensor.dataId);
  Object.assign(state, before);
}

/** Ends what was begun for a tensor whose disposal was cut off. */
function finishDisposing(state: State): void {
  if (!disposing) return;
  const { tensor, before } = disposing;
  disposing = undefined;
  if (state.tensorInfo.has(tensor.dataId)) Object.assign(state, before);
  else state.numDataBuffers = before.numDataBuffers - 1;
  tensor.dispose();
}
