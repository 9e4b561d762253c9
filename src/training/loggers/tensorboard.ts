import { closeSync, openSync, readdirSync, rmSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { fileError, writeAll, writeAtomic } from "../../setup/atomic.js";
import type { StepMetrics } from "../metrics.js";
import { type MetricsLogger, numbersOf, timesBefore } from "./logger.js";

/**
 * Writes TensorBoard's event file, an event per step, with transformers' tags: `train/loss`, `train/rewards/margins`, ... The event files of erpo that
 * the folder has already go; others stay.
 *
 * @param dir where TensorBoard looks (`--logdir`); made where missing
 * @param earlier the steps before the first that will be logged: a resumed run's, each of which is then there once
 * @throws FileError when the file cannot be written, now or later
 */
export function tensorBoardLogger(dir: string, earlier: readonly StepMetrics[] = []): MetricsLogger {
  const now = Date.now();
  const seconds = String(Math.floor(now / 1000)).padStart(10, "0");
  const name = `events.out.tfevents.${seconds}.${hostname()}.${process.pid}${OURS}`; // TensorBoard reads a folder's files in their names' order
  const path = join(dir, name);
  const times = timesBefore(earlier, now);
  writeAtomic(path, [
    record(event(now, 0, bytesField(3, Buffer.from("brain.Event:2")))),
    record(event(now, 0, SESSION_START)),
    ...earlier.map((step, i) => stepRecord(step, times[i]!)),
  ]);
  for (const old of readdirSync(dir)) {
    if (old.startsWith("events.out.tfevents.") && old.endsWith(OURS) && old !== name) rmSync(join(dir, old));
  }
  const file = openSync(path, "a");
  return {
    log(step) {
      try {
        writeAll(file, stepRecord(step, Date.now()));
      } catch (error) {
        throw fileError(path, error);
      }
    },
    close: async () => closeSync(file),
  };
}

const OURS = ".erpo";

/** A summary (tensorflow/core/framework/summary.proto) of a step: a value with tag (1) and simple_value (2) for each number. */
function stepRecord(step: StepMetrics, time: number): Buffer {
  const values = numbersOf(step).map(([name, value]) => {
    const number = Buffer.alloc(5, 0x15); // field 2, 32 bits
    number.writeFloatLE(value, 1);
    return bytesField(1, Buffer.concat([bytesField(1, Buffer.from(`train/${name}`)), number]));
  });
  return record(event(time, step.step, bytesField(5, Buffer.concat(values))));
}

/** tensorflow/core/util/event.proto: wall_time (1) in seconds, step (2), and what the event is. */
function event(time: number, step: number, what: Buffer): Buffer {
  const wall = Buffer.alloc(9, 0x09); // field 1, 64 bits
  wall.writeDoubleLE(time / 1000, 1);
  return Buffer.concat(step === 0 ? [wall, what] : [wall, Buffer.from([0x10]), varint(step), what]);
}

/** session_log (7) with status (1) START: a TensorBoard that is open drops what it has read of an earlier file. */
const SESSION_START = bytesField(7, Buffer.from([0x08, 0x01]));

/** A protobuf field of bytes, text or a message. */
function bytesField(field: number, bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from([(field << 3) | 2]), varint(bytes.length), bytes]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (; value >= 0x80; value = Math.floor(value / 0x80)) bytes.push((value % 0x80) | 0x80);
  return Buffer.from([...bytes, value]);
}

/** A TFRecord: length, its masked CRC, the bytes, their masked CRC (tensorflow/core/lib/io/record_writer.h). */
function record(data: Buffer): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(data.length));
  return Buffer.concat([length, maskedCrc(length), data, maskedCrc(data)]);
}

function maskedCrc(bytes: Buffer): Buffer {
  const crc = crc32c(bytes);
  const masked = Buffer.alloc(4);
  masked.writeUInt32LE((((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0);
  return masked;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? (byte >>> 1) ^ 0x82f63b78 : byte >>> 1;
  return byte >>> 0;
});

/** CRC-32C (Castagnoli), RFC 3720 appendix B.4. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = CRC_TABLE[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}
