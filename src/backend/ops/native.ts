import * as tf from "@tensorflow/tfjs";

/** An attribute of a TensorFlow op, as the native binding takes it. */
interface OpAttribute {
  name: string;
  type: number;
  value: unknown;
}

interface NativeBackend {
  binding: Record<"TF_ATTR_TYPE" | "TF_ATTR_BOOL" | "TF_ATTR_INT" | "TF_ATTR_FLOAT" | "TF_FLOAT" | "TF_INT32", number> & {
    executeOp(name: string, attributes: OpAttribute[], inputs: number[], outputs: number): { id: number; shape: number[]; dtype: number }[];
  };
  /** What the library holds for each of tfjs's tensors. */
  tensorMap: WeakMap<object, { id: number; shape: number[]; dtype: number; values: null; refCount: number }>;
  getInputTensorIds(inputs: tf.Tensor[]): number[];
  executeSingleOutput(name: string, attributes: OpAttribute[], inputs: tf.Tensor[]): tf.Tensor;
  executeMultipleOutputs(name: string, attributes: OpAttribute[], inputs: tf.Tensor[], count: number): tf.Tensor[];
}

/** Whether TensorFlow's own ops can be called: the open backend is the native library. */
export const isNative = (): boolean => tf.getBackend() === "tensorflow";

/** The native backend; call only when `isNative()`. */
const backend = (): NativeBackend => tf.backend() as unknown as NativeBackend;

/** Whether our own kernels (src/backend/kernels) are loaded; the device sets it when it opens. */
export const KERNELS_FLAG = "ERPO_KERNELS";
tf.env().registerFlag(KERNELS_FLAG, () => false);
export const hasKernels = (): boolean => isNative() && tf.env().getBool(KERNELS_FLAG);

/** Attributes by name: types, e.g. `{ T: "float32" }`, booleans and numbers, e.g. `{ transpose_b: true, eps: { float: 1e-5 } }`. */
type Attributes = Record<string, "float32" | "int32" | "bfloat16" | boolean | { int: number } | { float: number }>;

/** TensorFlow's number of the type, which the binding does not name. */
const TF_BFLOAT16 = 14;

function attributes(of: Attributes): OpAttribute[] {
  const { binding } = backend();
  return Object.entries(of).map(([name, value]) => {
    if (typeof value === "boolean") return { name, type: binding.TF_ATTR_BOOL, value };
    if (typeof value === "string") {
      return {
        name,
        type: binding.TF_ATTR_TYPE,
        value: { float32: binding.TF_FLOAT, int32: binding.TF_INT32, bfloat16: TF_BFLOAT16 }[value],
      };
    }
    if ("int" in value) return { name, type: binding.TF_ATTR_INT, value: value.int };
    return { name, type: binding.TF_ATTR_FLOAT, value: value.float };
  });
}

/**
 * Runs one op of the TensorFlow library by its registered name (tensorflow/core/ops). It is not recorded for gradients: use it
 * inside `tf.customGrad` or where none are needed.
 */
export function run(name: string, attrs: Attributes, inputs: tf.Tensor[]): tf.Tensor {
  return backend().executeSingleOutput(name, attributes(attrs), inputs);
}

/** The same for an op with several outputs. */
export function runMany(name: string, attrs: Attributes, inputs: tf.Tensor[], count: number): tf.Tensor[] {
  return backend().executeMultipleOutputs(name, attributes(attrs), inputs, count);
}

/**
 * The same for an op with outputs in BF16, a type that tfjs does not have: such a tensor says float32 of itself, its values cannot be read, and
 * only ops run here may take it. It is tracked and disposed of like any other.
 */
export function runToBf16(name: string, attrs: Attributes, inputs: tf.Tensor[], count = 1): tf.Tensor[] {
  const { binding, tensorMap } = backend();
  return binding.executeOp(name, attributes(attrs), backend().getInputTensorIds(inputs), count).map(({ id, shape, dtype }) => {
    const dataId = {};
    tensorMap.set(dataId, { id, shape, dtype, values: null, refCount: 1 });
    return tf.engine().makeTensorFromTensorInfo({ dataId, shape, dtype: "float32" });
  });
}
