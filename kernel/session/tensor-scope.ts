/** What is used of TensorFlow.js's engine, which it keeps in a global. */
interface Engine {
  state: State;
  backend: Backend;
  endScope(): void;
  makeVariable(...args: unknown[]): Variable;
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
  registeredVariables: Record<string, Variable>;
}

interface Backend {
  refCount(dataId: object): number;
  incRef(dataId: object): void;
  /** @returns whether nothing refers to the data any more */
  disposeData(dataId: object): boolean;
}

interface Tracked {
  dataId: object;
  dispose(): void;
}

interface Variable extends Tracked {
  assign(value: Tracked): void;
}

type Counts = Pick<State, "numTensors" | "numBytes" | "numDataBuffers" | "numStringTensors">;

/** The tensor that is being counted: terminated there, it would count as alive for good. */
let counting: { tensor: Tracked; before: Counts; known: boolean } | undefined;
/** The tensor that is being disposed of: terminated there, it would be taken off twice. */
let disposing: { tensor: Tracked; before: Counts } | undefined;
/** The variable that gets another value: terminated there, it would have none. */
let assigning: { variable: Variable; from: Data; to: Data; before: Counts } | undefined;
const watched = new WeakSet<object>();

/** A tensor's data, and how many tensors referred to them. */
interface Data {
  id: object;
  references: number;
}

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
  assigning = undefined;
  const depth = begun?.state.scopeStack.length ?? 0;
  return () => {
    const now = engine();
    if (!now) return;
    finishAssigning(now);
    forgetCounting(now.state);
    finishDisposing(now.state);
    while (now.state.scopeStack.length > depth) now.endScope();
    Object.assign(now.state, { gradientDepth: 0, kernelDepth: 0, activeTape: null }); // an op may have been cut off outside of any scope
  };
}

/** Notes which tensor is being counted, disposed of, or assigned to. */
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
  const make = engine.makeVariable;
  engine.makeVariable = function (...args) {
    const variable = make.apply(this, args);
    watchAssigning(variable, this);
    return variable;
  };
  for (const variable of Object.values(engine.state.registeredVariables).slice(0, 1)) watchAssigning(variable, engine);
}

/** Of all variables: their class is that of the first one. */
function watchAssigning(first: Variable, engine: Engine): void {
  const prototype = Object.getPrototypeOf(first) as Variable;
  if (watched.has(prototype)) return;
  watched.add(prototype);
  const assign = prototype.assign;
  const data = (id: object): Data => ({ id, references: engine.backend.refCount(id) });
  prototype.assign = function (value) {
    assigning = { variable: this, from: data(this.dataId), to: data(value.dataId), before: countsOf(engine.state) };
    try {
      assign.call(this, value);
    } finally {
      assigning = undefined; // not reached where it is terminated
    }
  };
}

function countsOf({ numTensors, numBytes, numDataBuffers, numStringTensors }: State): Counts {
  return { numTensors, numBytes, numDataBuffers, numStringTensors };
}

/** Ends what was begun for a variable whose assignment was cut off: it has the new value, and is one reference to it; the old one has one less. */
function finishAssigning({ state, backend }: Engine): void {
  if (!assigning) return;
  const { variable, from, to, before } = assigning;
  assigning = counting = disposing = undefined;
  variable.dataId = to.id;
  Object.assign(state, before);
  if (from.id === to.id) return;
  while (backend.refCount(to.id) <= to.references) backend.incRef(to.id);
  const isFreed = from.references === 1;
  if (isFreed || backend.refCount(from.id) === from.references) backend.disposeData(from.id);
  if (!isFreed) return;
  state.tensorInfo.delete(from.id);
  state.numDataBuffers--;
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
