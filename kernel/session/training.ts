import { type Context, currentContext } from "./context.js";
import { isRefused } from "./refusals.js";

/** What is used of TensorFlow.js's models. */
export interface Model {
  isTraining: boolean;
  fit(...args: unknown[]): Promise<unknown>;
  fitDataset(...args: unknown[]): Promise<unknown>;
}

/** The models that each request trains, once for each training. */
const trained = new WeakMap<Context, Set<{ model: Model }>>();

/** Notes which request trains which model. A request that was stopped begins no training. @param prototype of TensorFlow.js's `LayersModel` */
export function watchTraining(prototype: Model): void {
  for (const name of ["fit", "fitDataset"] as const) {
    const train = prototype[name];
    prototype[name] = async function (this: Model, ...args) {
      const context = currentContext();
      if (isRefused() || context?.interrupted) await new Promise(() => {});
      if (!context || this.isTraining) return train.apply(this, args);
      const training = { model: this };
      const all = trained.get(context) ?? new Set();
      trained.set(context, all.add(training));
      try {
        return await train.apply(this, args);
      } finally {
        all.delete(training);
      }
    };
    Object.defineProperty(prototype[name], "name", { value: name });
  }
}

/** Lets the models be trained again that a stopped request has trained: terminated code runs no `finally`, so TensorFlow.js would take each for one that is being trained. */
export function endTraining(context: Context): void {
  for (const { model } of trained.get(context) ?? []) model.isTraining = false;
  trained.delete(context);
}
