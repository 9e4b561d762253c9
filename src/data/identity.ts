import { createHash } from "node:crypto";

/** What an identity is made of: plain JSON. Large things stand in it as their SHA-256. */
export type IdentityValue =
  | string
  | number
  | boolean
  | null
  | readonly IdentityValue[]
  | { readonly [name: string]: IdentityValue | undefined };

/** Everything that a result depends on, by name and in readable form. Two results with equal identities are the same result. */
export type Identity = { readonly [name: string]: IdentityValue | undefined };

/**
 * JSON with its keys in alphabetical order and without spaces; fields that are undefined are left out. Equal values have equal texts.
 * @throws RangeError for a number that is not finite, which JSON cannot hold
 */
export function canonicalJson(value: IdentityValue | undefined): string {
  if (typeof value === "number" && !Number.isFinite(value)) throw new RangeError(`identity: ${value} is not a finite number`);
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  if (isList(value)) return `[${value.map(canonicalJson).join(",")}]`;
  const fields = Object.keys(value)
    .filter((name) => value[name] !== undefined)
    .sort()
    .map((name) => `${JSON.stringify(name)}:${canonicalJson(value[name])}`);
  return `{${fields.join(",")}}`;
}

/** SHA-256 of a value's canonical JSON, in hex. */
export const digestOf = (value: IdentityValue): string => createHash("sha256").update(canonicalJson(value)).digest("hex");

/** A place where two identities differ: `objective.beta`, and the values there; undefined where one of them has no such field. */
export interface IdentityDifference {
  field: string;
  was: IdentityValue | undefined;
  now: IdentityValue | undefined;
}

/** All places where two identities differ, in alphabetical order, as deep as both have fields. */
export function identityDifferences(was: IdentityValue | undefined, now: IdentityValue | undefined, field = ""): IdentityDifference[] {
  const same = (was === undefined) === (now === undefined) && canonicalJson(was) === canonicalJson(now);
  if (!isRecord(was) || !isRecord(now)) return same ? [] : [{ field, was, now }];
  const names = [...new Set([...Object.keys(was), ...Object.keys(now)])].sort();
  return names.flatMap((name) => identityDifferences(was[name], now[name], field === "" ? name : `${field}.${name}`));
}

const isList = (value: object): value is readonly IdentityValue[] => Array.isArray(value);

const isRecord = (value: IdentityValue | undefined): value is { readonly [name: string]: IdentityValue | undefined } =>
  typeof value === "object" && value !== null && !Array.isArray(value);
