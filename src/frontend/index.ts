/** How a program talks to its reader: a notebook's frontend where the kernel has set one, else a terminal. */

export { ask, interruptSignal } from "./ask.js";
export { type Comm, type CommMessage, type CommTarget, comms } from "./comms.js";
export { clearOutput, type DisplayHandle, display } from "./display.js";
export { type Displayable, html, image, json, latex, markdown, svg } from "./formats.js";
export { type CommEvent, type Frontend, type MimeBundle, setFrontend } from "./frontend.js";
export { type ProgressHandle, progress } from "./progress.js";
export { type TypeCheck, typeCheck } from "./type-check.js";
export { type Widget, type WidgetOptions, widget } from "./widget.js";
