import { sha256 } from "../provenance/digests.js";

/** Variables that say from where a program was started, not what it computes: they count only for a notebook that reads them. */
const PASSING = /^(_|SHLVL|PWD|OLDPWD|INIT_CWD|TERM.*|COLORTERM|COLUMNS|LINES|WINDOWID|SSH_.*|TMUX.*|STY|XDG_SESSION_.*|npm_.*)$/;

/** Environment variables that any notebook may depend on, with their values, by name. */
export const commonVariables = (): [string, string | undefined][] =>
  Object.entries(process.env)
    .filter(([name]) => !PASSING.test(name))
    .sort();

/** SHA-256 of a variable's value; `unset` where there is none. */
export const variableState = (name: string): string => {
  const value = process.env[name];
  return value === undefined ? "unset" : sha256(value);
};

/** SHA-256 of all variables with their values. */
export const allVariables = (): string => sha256(JSON.stringify(Object.entries(process.env).sort()));
