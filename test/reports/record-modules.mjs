/** Notes every module that is loaded, by `import` and by `require`, in the file `$LOADED`, one a line. */
import { appendFileSync } from "node:fs";
import Module, { register } from "node:module";

const note = "(place) => appendFileSync(process.env.LOADED, place + '\\n')";
register(
  `data:text/javascript,${encodeURIComponent(
    `import { appendFileSync } from "node:fs"; const note = ${note};
     export const load = (url, context, next) => (note(url), next(url, context));`,
  )}`,
);
const load = Module._load;
Module._load = function (request, parent, ...rest) {
  try {
    appendFileSync(process.env.LOADED, `${Module._resolveFilename(request, parent)}\n`);
  } catch {} // what cannot be found is told of by the loader itself
  return load.call(this, request, parent, ...rest);
};
