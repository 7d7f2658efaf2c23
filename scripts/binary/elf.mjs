// @ts-check
// Reads and changes the few parts of a 64-bit little-endian ELF executable that the build of the
// single executable needs: segments, exported symbols, and the bytes that no segment loads.

/**
 * @typedef {object} Segment  a program header
 * @property {number} type
 * @property {number} flags
 * @property {number} offset  in the file
 * @property {number} address  in memory
 * @property {number} fileBytes
 * @property {number} memoryBytes
 * @property {number} align
 */

export const PF_X = 1;
export const PT_LOAD = 1;
const PT_INTERP = 3;
export const PT_NOTE = 4;
export const PT_PHDR = 6;

/** The fields of the header that are used here, and their size. */
const HEADER = {
  entry: 0x18,
  phoff: 0x20,
  shoff: 0x28,
  phentsize: 0x36,
  phnum: 0x38,
  shentsize: 0x3a,
  shnum: 0x3c,
  shstrndx: 0x3e,
};
const PROGRAM_HEADER_BYTES = 56;
const SYMBOL_BYTES = 24;
const SHT_DYNSYM = 11;

/**
 * @param {Buffer} image
 * @returns {Segment[]}
 */
export function readSegments(image) {
  if (image.readUInt32BE(0) !== 0x7f454c46 || image[4] !== 2 || image[5] !== 1)
    throw new Error("not a 64-bit little-endian ELF file");
  const table = number(image, HEADER.phoff);
  return Array.from({ length: image.readUInt16LE(HEADER.phnum) }, (_, index) => {
    const at = table + index * PROGRAM_HEADER_BYTES;
    return {
      type: image.readUInt32LE(at),
      flags: image.readUInt32LE(at + 4),
      offset: number(image, at + 8),
      address: number(image, at + 16),
      fileBytes: number(image, at + 32),
      memoryBytes: number(image, at + 40),
      align: number(image, at + 48),
    };
  });
}

/**
 * In place of the old ones. There may be one more; the name of the loader, which follows the table,
 * then moves on, to where a note was that nothing reads.
 * @param {Buffer} image
 * @param {readonly Segment[]} segments
 */
export function writeSegments(image, segments) {
  const old = readSegments(image);
  const added = (segments.length - old.length) * PROGRAM_HEADER_BYTES;
  const loader = old.find(({ type }) => type === PT_INTERP);
  const note = old.find(({ type }) => type === PT_NOTE);
  if (loader === undefined || note === undefined)
    throw new Error("not an executable with a loader and notes");
  const tableEnd = number(image, HEADER.phoff) + old.length * PROGRAM_HEADER_BYTES;
  if (added > 0) {
    const loaderEnd = loader.offset + loader.fileBytes;
    const isFree = loader.offset === tableEnd && note.offset >= loaderEnd && note.offset < loaderEnd + 8;
    if (!isFree || loaderEnd + added > note.offset + note.fileBytes)
      throw new Error(`no room for ${segments.length} segments`);
    image.copy(image, loader.offset + added, loader.offset, loaderEnd);
  }
  image.writeUInt16LE(segments.length, HEADER.phnum);
  writeTable(
    image,
    segments.map((segment) =>
      segment.type === PT_INTERP
        ? { ...segment, offset: segment.offset + added, address: segment.address + added }
        : segment,
    ),
  );
}

/**
 * @param {Buffer} image
 * @param {readonly Segment[]} segments
 */
function writeTable(image, segments) {
  const table = number(image, HEADER.phoff);
  for (const [index, segment] of segments.entries()) {
    const at = table + index * PROGRAM_HEADER_BYTES;
    image.writeUInt32LE(segment.type, at);
    image.writeUInt32LE(segment.flags, at + 4);
    for (const [field, value] of [
      [8, segment.offset],
      [16, segment.address],
      [24, segment.address],
      [32, segment.fileBytes],
      [40, segment.memoryBytes],
      [48, segment.align],
    ])
      image.writeBigUInt64LE(BigInt(value ?? 0), at + (field ?? 0));
  }
}

/**
 * The address of the first instruction.
 * @param {Buffer} image
 */
export function readEntry(image) {
  return number(image, HEADER.entry);
}

/**
 * @param {Buffer} image
 * @param {number} address
 */
export function writeEntry(image, address) {
  image.writeBigUInt64LE(BigInt(address), HEADER.entry);
}

/**
 * Without symbols for debuggers and without the table of sections: only what is loaded.
 * @param {Buffer} image
 */
export function loadedPart(image) {
  const end = Math.max(...readSegments(image).map(({ offset, fileBytes }) => offset + fileBytes));
  const part = Buffer.from(image.subarray(0, end));
  part.writeBigUInt64LE(0n, HEADER.shoff);
  for (const field of [HEADER.shentsize, HEADER.shnum, HEADER.shstrndx]) part.writeUInt16LE(0, field);
  return part;
}

/**
 * Where an exported symbol whose name matches is in memory, and its size.
 * @param {Buffer} image  with its table of sections
 * @param {RegExp} name
 */
export function findSymbol(image, name) {
  const sections = number(image, HEADER.shoff);
  const entryBytes = image.readUInt16LE(HEADER.shentsize);
  const section = (/** @type {number} */ index) => sections + index * entryBytes;
  for (let index = 0; index < image.readUInt16LE(HEADER.shnum); index++) {
    if (image.readUInt32LE(section(index) + 4) !== SHT_DYNSYM) continue;
    const symbols = number(image, section(index) + 24);
    const end = symbols + number(image, section(index) + 32);
    const names = number(image, section(image.readUInt32LE(section(index) + 40)) + 24);
    for (let at = symbols; at < end; at += SYMBOL_BYTES) {
      const start = names + image.readUInt32LE(at);
      const text = image.toString("latin1", start, image.indexOf(0, start));
      if (name.test(text)) return { address: number(image, at + 8), bytes: number(image, at + 16) };
    }
  }
  throw new Error(`no exported symbol matches ${name}`);
}

/**
 * The segment that contains the byte at `address` in memory, as far as the file has it.
 * @param {readonly Segment[]} segments
 * @param {number} address
 */
export function segmentAt(segments, address) {
  const found = segments.find(
    (segment) =>
      segment.type === PT_LOAD && address >= segment.address && address < segment.address + segment.fileBytes,
  );
  if (found === undefined) throw new Error(`no segment contains ${address.toString(16)}`);
  return found;
}

/**
 * @param {Buffer} image
 * @param {number} at
 */
function number(image, at) {
  return Number(image.readBigUInt64LE(at));
}
