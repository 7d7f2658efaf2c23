// The blocks of a tar archive that describe an entry: the header of 512 bytes, in the formats of POSIX, GNU and version 7,
// and the records of pax before it. Decodes bytes; nothing here reads or decides.

import { HoldfastError } from "../../errors.ts";

export const BLOCK_BYTES = 512;

/** Where each field is, as tar(5) has them. */
const NAME = [0, 100] as const;
const MODE = [100, 8] as const;
const UID = [108, 8] as const;
const GID = [116, 8] as const;
const SIZE = [124, 12] as const;
const MTIME = [136, 12] as const;
const CHECKSUM = [148, 8] as const;
const TYPE_AT = 156;
const LINK_NAME = [157, 100] as const;
const MAGIC_AT = 257;
const PREFIX = [345, 155] as const;
type Field = readonly [at: number, bytes: number];

const POSIX_MAGIC = "ustar\0";
const GNU_MAGIC = "ustar  \0";

export interface ArchiveHeader {
  /** One character; "0" for a file, also where old formats say it in other ways. */
  readonly type: string;
  /** Names are bytes. */
  readonly name: Buffer;
  readonly linkName: Buffer;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtimeSeconds: number;
  readonly isGnu: boolean;
}

/** Undefined for the block of zeros at the end of an archive. Throws `invalid_argument` for a block that is not a header. */
export function decodeHeader(block: Buffer): ArchiveHeader | undefined {
  const sum = checksumOf(block);
  if (sum === BLANK_CHECKSUM && block.every((byte) => byte === 0)) return undefined;
  if (sum !== numberIn(block, CHECKSUM)) throw malformedArchive("a header has a wrong checksum");
  const size = numberIn(block, SIZE);
  if (size === undefined || size < 0) throw malformedArchive("a header has no valid size");
  const isPosix = hasMagic(block, POSIX_MAGIC);
  const prefix = isPosix ? textIn(block, PREFIX) : Buffer.alloc(0);
  const name = prefix.length === 0 ? textIn(block, NAME) : joined(prefix, textIn(block, NAME));
  return {
    type: typeOf(block, name),
    name,
    linkName: textIn(block, LINK_NAME),
    mode: numberIn(block, MODE) ?? 0o644,
    uid: numberIn(block, UID) ?? 0,
    gid: numberIn(block, GID) ?? 0,
    size,
    mtimeSeconds: numberIn(block, MTIME) ?? 0,
    isGnu: hasMagic(block, GNU_MAGIC),
  };
}

/** The sum of a block of zeros: the field of the sum itself counts as spaces. */
const BLANK_CHECKSUM = 8 * 0x20;

function checksumOf(block: Buffer): number {
  let sum = BLANK_CHECKSUM;
  const [at, bytes] = CHECKSUM;
  for (let index = 0; index < at; index++) sum += block[index] ?? 0;
  for (let index = at + bytes; index < BLOCK_BYTES; index++) sum += block[index] ?? 0;
  return sum;
}

/** A file with a slash at the end of its name is how version 7 has directories. */
function typeOf(block: Buffer, name: Buffer): string {
  const type = block[TYPE_AT] ?? 0;
  if (type !== 0 && type !== 0x30) return String.fromCharCode(type);
  return name.at(-1) === 0x2f ? "5" : "0";
}

function hasMagic(block: Buffer, magic: string): boolean {
  return block.toString("latin1", MAGIC_AT, MAGIC_AT + magic.length) === magic;
}

function joined(prefix: Buffer, name: Buffer): Buffer {
  return Buffer.concat([prefix, Buffer.from("/"), name]);
}

/** Copied: a block is a part of what arrives. */
function textIn(block: Buffer, [at, bytes]: Field): Buffer {
  return untilNul(Buffer.from(block.subarray(at, at + bytes)));
}

export function untilNul(bytes: Buffer): Buffer {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}

/**
 * Octal digits, or for larger numbers the bytes of the number itself, after a byte whose highest bit is set. 0 for an empty
 * field; undefined for something else, and for a number above 2^53.
 */
export function numberIn(block: Buffer, [at, bytes]: Field): number | undefined {
  const first = block[at] ?? 0;
  if ((first & 0x80) === 0) {
    const text = block
      .toString("latin1", at, at + bytes)
      .replace(/\0.*$/s, "")
      .trim();
    if (text === "") return 0;
    return /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : undefined;
  }
  // The bits after the first are of two's complement.
  let value = (first & 0x40) === 0 ? BigInt(first & 0x7f) : BigInt(first) - 0x100n;
  for (let index = at + 1; index < at + bytes; index++) value = value * 256n + BigInt(block[index] ?? 0);
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : undefined;
}

/** Records of pax: "LENGTH KEY=VALUE\n" each. Calls `take` for each, in their order. */
export function decodeRecords(bytes: Buffer, take: (key: string, value: Buffer) => void): void {
  for (let at = 0; at < bytes.length; ) {
    // Some programs fill the block with NULs and count them.
    if (bytes[at] === 0) return;
    const space = bytes.indexOf(0x20, at);
    const digits = space < 0 ? "" : bytes.toString("latin1", at, space);
    const end = at + (/^\d{1,9}$/.test(digits) ? Number(digits) : Number.NaN);
    const equals = bytes.indexOf(0x3d, space);
    if (!(end <= bytes.length && equals > space && equals < end && bytes[end - 1] === 0x0a))
      throw malformedArchive("a pax record is malformed");
    take(bytes.toString("utf8", space + 1, equals), bytes.subarray(equals + 1, end - 1));
    at = end;
  }
}

export function malformedArchive(problem: string): HoldfastError {
  return new HoldfastError("invalid_argument", `the body is not a valid tar archive: ${problem}`);
}
