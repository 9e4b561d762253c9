import { createHmac, randomUUID, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";

/** The version of the Jupyter messaging protocol that this package speaks. */
export const PROTOCOL_VERSION = "5.5";

/** What a connection file holds (jupyter_client, "Connection files"). */
export interface Connection {
  transport: "tcp" | "ipc";
  ip: string;
  shell_port: number;
  iopub_port: number;
  stdin_port: number;
  control_port: number;
  hb_port: number;
  /** Shared secret of the signatures; empty switches signing off. */
  key: string;
  signature_scheme: string;
  kernel_name?: string;
  /** CurveZMQ keys in Z85, for an encrypted transport: the kernel serves with both, its clients hold the same pair. */
  curve_publickey?: string;
  curve_secretkey?: string;
}

export type Channel = "shell" | "iopub" | "stdin" | "control" | "hb";

export interface Header {
  msg_id: string;
  msg_type: string;
  session: string;
  username: string;
  /** ISO 8601. */
  date: string;
  version: string;
  subshell_id?: string | null;
}

/** One message, as it is on the wire. `content` depends on `header.msg_type`. */
export interface Message {
  /** Routing prefix: the peer's identities on shell, control and stdin, the topic on iopub. */
  identities: Uint8Array[];
  header: Header;
  parentHeader: Partial<Header>;
  metadata: Record<string, unknown>;
  // biome-ignore lint/suspicious/noExplicitAny: the shape is the protocol's business, one for each message type
  content: Record<string, any>;
  buffers: Uint8Array[];
}

/** A frame sequence that is no valid message: truncated, badly signed, replayed, not JSON. Drop it and go on. */
export class WireError extends Error {
  override name = "WireError";
}

const DELIMITER = Buffer.from("<IDS|MSG>");

/**
 * Reads and checks a connection file.
 * @throws WireError naming the file and the field that is wrong
 */
export function readConnection(file: string): Connection {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new WireError(`${file}: the connection file cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
  let value: Partial<Connection>;
  try {
    value = JSON.parse(text);
  } catch {
    throw new WireError(`${file}: not JSON`);
  }
  for (const port of ["shell_port", "iopub_port", "stdin_port", "control_port", "hb_port"] as const) {
    if (!Number.isInteger(value?.[port])) throw new WireError(`${file}: ${port} must be a whole number`);
  }
  if ((value.curve_publickey === undefined) !== (value.curve_secretkey === undefined)) {
    throw new WireError(`${file}: curve_publickey and curve_secretkey go together`);
  }
  const scheme = value.signature_scheme ?? "hmac-sha256";
  if (!/^hmac-(sha256|sha384|sha512|sha1|md5)$/.test(scheme)) throw new WireError(`${file}: signature_scheme ${scheme} is not known`);
  return {
    ...value,
    transport: value.transport ?? "tcp",
    ip: value.ip ?? "127.0.0.1",
    key: value.key ?? "",
    signature_scheme: scheme,
  } as Connection;
}

/** The ZeroMQ endpoint of a channel, such as `tcp://127.0.0.1:54321`. */
export function endpoint(connection: Connection, channel: Channel): string {
  return `${connection.transport}://${connection.ip}${connection.transport === "ipc" ? "-" : ":"}${connection[`${channel}_port`]}`;
}

/** A fresh header with its own message id. */
export function createHeader(type: string, session: string): Header {
  return { msg_id: randomUUID(), msg_type: type, session, username: "erpo", date: new Date().toISOString(), version: PROTOCOL_VERSION };
}

/** Remembers the signatures seen last, so that a recorded message cannot be sent a second time. */
export class ReplayGuard {
  private readonly seen = new Set<string>();

  /** @param capacity how many signatures are kept; beyond it the oldest are forgotten */
  constructor(private readonly capacity = 65_536) {}

  /** True the first time that `signature` is shown. */
  admit(signature: string): boolean {
    if (this.seen.has(signature)) return false;
    this.seen.add(signature);
    if (this.seen.size > this.capacity) for (const oldest of this.seen) return this.seen.delete(oldest);
    return true;
  }
}

type Secret = Pick<Connection, "key" | "signature_scheme">;

/** The hexadecimal HMAC over the four JSON frames; empty where the connection has no key. */
function sign(secret: Secret, frames: readonly Uint8Array[]): string {
  if (!secret.key) return "";
  const hmac = createHmac(secret.signature_scheme.slice("hmac-".length), secret.key);
  for (const frame of frames) hmac.update(frame);
  return hmac.digest("hex");
}

/** A message to send. Metadata and content may be JSON text already. */
export interface Outgoing extends Partial<Omit<Message, "metadata" | "content">> {
  header: Header;
  metadata?: object | string;
  content: object | string;
}

/** JSON without halves of surrogate pairs, which it writes as escapes: a notebook with one cannot be saved as UTF-8. */
const wellFormed = (json: string): string =>
  json.includes("\\ud") ? json.replace(/\\(?:ud[89a-f][\da-f]{2}|.)/gs, (found) => (found.startsWith("\\ud") ? "\ufffd" : found)) : json;

/** The frames of a message: identities, delimiter, signature, header, parent header, metadata, content, buffers. */
export function encode(secret: Secret, message: Outgoing): Uint8Array[] {
  const { identities = [], header, parentHeader = {}, metadata = {}, content, buffers = [] } = message;
  const parts = [header, parentHeader, metadata, content];
  const body = parts.map((part) => Buffer.from(wellFormed(typeof part === "string" ? part : JSON.stringify(part))));
  return [...identities, DELIMITER, Buffer.from(sign(secret, body)), ...body, ...buffers];
}

/**
 * Checks the signature over the raw frames in constant time, and only then parses them.
 *
 * @param replays drops what was seen before; leave it out where one message may rightly arrive on two sockets (iopub clients)
 * @throws WireError for anything that is not a whole, authentic, new message
 */
export function decode(secret: Secret, frames: readonly Uint8Array[], replays?: ReplayGuard): Message {
  const at = frames.findIndex((frame) => DELIMITER.equals(frame));
  if (at < 0) throw new WireError("no delimiter");
  const [signature, ...rest] = frames.slice(at + 1);
  const body = rest.slice(0, 4);
  if (!signature || body.length < 4) throw new WireError("too few frames");
  const expected = Buffer.from(sign(secret, body));
  if (secret.key) {
    if (expected.length !== signature.length || !timingSafeEqual(expected, signature)) throw new WireError("bad signature");
    if (replays && !replays.admit(expected.toString())) throw new WireError("replayed");
  }
  const [header, parentHeader, metadata, content] = body.map(parseObject);
  if (typeof header?.msg_id !== "string" || typeof header.msg_type !== "string") throw new WireError("header without msg_id or msg_type");
  return { identities: frames.slice(0, at), header, parentHeader, metadata, content, buffers: rest.slice(4) } as unknown as Message;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

function parseObject(frame: Uint8Array): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(utf8.decode(frame));
  } catch {
    throw new WireError("a frame is not JSON in UTF-8");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new WireError("a frame is not a JSON object");
  return value as Record<string, unknown>;
}
