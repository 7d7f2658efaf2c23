// The state of an agent as a file without a name, which the next image inherits:
//
//   | "holdfast" | length of the header, 8 bytes | header: JSON | numbers | … | contents | … |
//
// Buffers are not in the header but behind it, at the place that the header names. So output is written and read with no
// other copy than that of the kernel. Numbers describe contents: a rehearsal has them, and no contents.

import { closeSync, fstatSync, readSync, writevSync } from "node:fs";
import { type Fd, openUnnamedFile } from "../linux/index.ts";
import { messageOf } from "../text.ts";
import { type AgentState, checkHead, type StateHead } from "./agent-state.ts";

const MAGIC = Buffer.from("holdfast");
const PREFIX_BYTES = 16;
/** IOV_MAX is 1024. */
const MAX_VECTORS = 1000;
/** More than 1,000 processes with 256 KiB of requests each; a larger number means a damaged file. */
const MAX_HEADER_BYTES = 512 * 1024 * 1024;

export interface WrittenState {
  /** The caller closes it. */
  readonly fd: Fd;
  readonly bytes: number;
}

/** For a rehearsal, `withContent` is false: it gets only the header and the numbers. Throws without memory or a descriptor. */
export function writeState(state: AgentState, withContent: boolean): WrittenState {
  const numbers = new Region();
  const content = new Region();
  // Not by JSON's replacer: it sees a Buffer after its toJSON, which makes a number of each byte.
  const plain = withoutBuffers(state, { numbers, content });
  const header = Buffer.from(JSON.stringify({ ...(plain as object), $numbers: numbers.bytes }));
  const prefix = Buffer.alloc(PREFIX_BYTES);
  MAGIC.copy(prefix);
  prefix.writeBigUInt64LE(BigInt(header.length), MAGIC.length);
  const fd = openUnnamedFile("holdfast-state");
  const written = [prefix, header, ...numbers.buffers, ...(withContent ? content.buffers : [])];
  try {
    writeAll(fd, written);
  } catch (cause) {
    closeSync(fd);
    throw new Error(`the state of the agent cannot be written: ${messageOf(cause)}`, { cause });
  }
  return { fd, bytes: written.reduce((sum, { length }) => sum + length, 0) };
}

/** The part that every version understands. Throws for a file that is not a state. */
export function readHead(fd: number): StateHead {
  return JSON.parse(readHeader(fd).text) as StateHead;
}

/**
 * Leaves `fd` open. Throws for a state that this version cannot continue with. Without `withContent`, buffers have
 * their lengths and nothing else.
 */
export function readState(fd: number, withContent: boolean): AgentState {
  const { text, end } = readHeader(fd);
  const head = JSON.parse(text) as StateHead & { readonly $numbers: number };
  checkHead(head);
  const { size } = fstatSync(fd);
  const read = (at: number, bytes: number): Buffer => {
    if (at + bytes > size) throw new Error("the state is incomplete");
    return readAt(fd, at, bytes);
  };
  return JSON.parse(text, (_, value: unknown) => {
    if (!isPlace(value)) return value;
    const { $at: at, $bytes: bytes, $as: as } = value;
    if (as === "u32") return new Uint32Array(read(end + at, bytes).buffer);
    if (as === "f64") return new Float64Array(read(end + at, bytes).buffer);
    return withContent ? read(end + head.$numbers + at, bytes) : Buffer.alloc(bytes);
  }) as AgentState;
}

/** Where a buffer lies: numbers right behind the header, contents behind the numbers. */
interface Place {
  readonly $at: number;
  readonly $bytes: number;
  /** Absent for a content. */
  readonly $as?: "u32" | "f64";
}

/** Numbers: the variables of a client may have these names, and their values are texts. */
function isPlace(value: unknown): value is Place {
  if (typeof value !== "object" || value === null || !("$at" in value) || !("$bytes" in value)) return false;
  return typeof value.$at === "number" && typeof value.$bytes === "number";
}

class Region {
  readonly buffers: Buffer[] = [];
  bytes = 0;

  add(data: Buffer): { readonly $at: number; readonly $bytes: number } {
    const place = { $at: this.bytes, $bytes: data.length };
    if (data.length > 0) this.buffers.push(data);
    this.bytes += data.length;
    return place;
  }
}

interface Regions {
  readonly numbers: Region;
  readonly content: Region;
}

function withoutBuffers(value: unknown, regions: Regions): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Buffer.isBuffer(value)) return regions.content.add(value);
  if (value instanceof Uint32Array || value instanceof Float64Array) {
    const data = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    return { ...regions.numbers.add(data), $as: value instanceof Uint32Array ? "u32" : "f64" };
  }
  if (Array.isArray(value)) return value.map((item) => withoutBuffers(item, regions));
  const copy: Record<string, unknown> = {};
  // Of a client: "__proto__" is an ordinary name.
  for (const [name, item] of Object.entries(value))
    Object.defineProperty(copy, name, { value: withoutBuffers(item, regions), enumerable: true });
  return copy;
}

function readHeader(fd: number): { readonly text: string; readonly end: number } {
  const prefix = readAt(fd, 0, PREFIX_BYTES);
  if (!prefix.subarray(0, MAGIC.length).equals(MAGIC)) throw new Error("this is not the state of an agent");
  const bytes = Number(prefix.readBigUInt64LE(MAGIC.length));
  if (bytes > MAX_HEADER_BYTES) throw new Error(`the header of the state has ${bytes} bytes`);
  return { text: readAt(fd, PREFIX_BYTES, bytes).toString(), end: PREFIX_BYTES + bytes };
}

function readAt(fd: number, at: number, bytes: number): Buffer {
  const buffer = Buffer.allocUnsafeSlow(bytes);
  for (let done = 0; done < bytes; ) {
    const read = readSync(fd, buffer, done, bytes - done, at + done);
    if (read === 0) throw new Error("the state is incomplete");
    done += read;
  }
  return buffer;
}

function writeAll(fd: Fd, buffers: readonly Buffer[]): void {
  let next = 0;
  let skipped = 0;
  while (next < buffers.length) {
    const batch = buffers.slice(next, next + MAX_VECTORS);
    batch[0] = batch[0]?.subarray(skipped) ?? Buffer.alloc(0);
    let written = writevSync(fd, batch) + skipped;
    while (next < buffers.length && written >= (buffers[next]?.length ?? 0)) {
      written -= buffers[next]?.length ?? 0;
      next++;
    }
    skipped = written;
  }
}
