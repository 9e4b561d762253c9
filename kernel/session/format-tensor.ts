/** What is used of a tf.Tensor or tf.Variable. */
interface Tensor {
  shape: number[];
  dtype: string;
  size: number;
  isDisposed: boolean;
  dataSync(): ArrayLike<unknown>;
  toString(): string;
}

/** Values are fetched from the device only below this size. */
const SMALL = 1000;

/** TensorFlow.js's tensors, by what they offer. */
export function isTensor(value: unknown): value is Tensor {
  const tensor = value as Partial<Tensor> | null | undefined;
  return (
    typeof tensor === "object" &&
    tensor !== null &&
    typeof tensor.dataSync === "function" &&
    Array.isArray(tensor.shape) &&
    typeof tensor.dtype === "string"
  );
}

/** `Tensor float32 [2, 3]`, and the values of a small one. */
export function tensorText(tensor: Tensor): string {
  const title = `${tensor.constructor.name} ${tensor.dtype} [${tensor.shape.join(", ")}]`;
  if (tensor.isDisposed) return `${title} (disposed)`;
  if (tensor.size > SMALL) return `${title}, ${tensor.size} values`;
  const values = tensor.toString().split("\n").slice(1); // the first line is tfjs's own title
  return [title, ...values].join("\n");
}
