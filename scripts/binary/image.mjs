// @ts-check
// Makes the single executable out of Node's: the content goes into the room that ICU's data leave
// when they are reduced, and the rest of that room is cut out of the file. So the result is smaller
// than Node itself, and no other tool is needed.
//
//     ICU's data, as in Node       |------------------------ 33 MB -------------------------|
//     afterwards                   |-- reduced --|-- note: content --|        (cut)         |
//
// Everything after the first page moves on by one page, so that addresses and offsets in the file
// differ by something else than a multiple of 2 MiB. Otherwise a kernel with large folios maps 2 MiB
// at the first access of a byte: 21 MB more resident memory (Linux 6.18, ext4).

import { findSymbol, loadedPart, PT_LOAD, PT_NOTE, PT_PHDR, segmentAt, writeSegments } from "./elf.mjs";
import { insertEntry } from "./entry.mjs";
import { reduceIcuData } from "./icu-data.mjs";

/** @typedef {import("./elf.mjs").Segment} Segment */

/** The name under which Node looks for its content, and the mark that says whether there is one. */
const NOTE_NAME = "NODE_SEA_BLOB";
const FUSE = "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2:";
/** Kernels for arm64 use pages of up to 64 KiB. */
const PAGE_BYTES = 65_536;

/**
 * @param {Buffer} node  Node's executable
 * @param {Buffer} content  what `node --experimental-sea-config` wrote
 * @param {import("./targets.mjs").Arch} arch
 */
export function makeExecutable(node, content, arch) {
  const icu = findSymbol(node, /^icudt\d+_dat$/);
  const image = loadedPart(node);
  setFuse(image);
  const segments = insertEntry(image, arch);
  const around = segmentAt(segments, icu.address);
  const offsetOf = (/** @type {number} */ address) => around.offset + address - around.address;

  const start = offsetOf(icu.address);
  const reduced = reduceIcuData(image.subarray(start, start + icu.bytes));
  const note = noteOf(content);
  const noteAddress = roundUp(icu.address + reduced.length, PAGE_BYTES);
  const cutFrom = roundUp(noteAddress + note.length, PAGE_BYTES);
  const cutTo = Math.floor((icu.address + icu.bytes) / PAGE_BYTES) * PAGE_BYTES;
  if (cutFrom >= cutTo) throw new Error(`${content.length} bytes of content are too much`);

  image.fill(0, start, offsetOf(cutFrom));
  reduced.copy(image, start);
  note.copy(image, offsetOf(noteAddress));
  const withNote = segments.map((segment) =>
    segment.type === PT_NOTE
      ? noteSegment(segment, noteAddress, offsetOf(noteAddress), note.length)
      : segment,
  );
  const first = withNote.find(({ type }) => type === PT_LOAD);
  if (first?.offset !== 0) throw new Error("the first segment is not at the beginning of the file");
  const moved = withNote
    .flatMap((segment) => (segment === around ? cut(segment, cutFrom, cutTo) : [segment]))
    // An executable at a fixed address needs no entry for the table itself, which makes room.
    .filter(({ type }) => type !== PT_PHDR)
    .flatMap((segment) =>
      isFirst(segment) ? cut(segment, PAGE_BYTES + segment.address, PAGE_BYTES + segment.address) : [segment],
    )
    .map((segment) => {
      const afterCut = segment.offset >= offsetOf(cutTo) ? cutTo - cutFrom : 0;
      const afterFirst = segment.offset >= PAGE_BYTES ? PAGE_BYTES : 0;
      return {
        ...segment,
        offset: segment.offset - afterCut + afterFirst,
        // Node asks for 2 MiB in one place, which only its option for huge pages needs.
        align: Math.min(segment.align, PAGE_BYTES),
      };
    });
  checkOffsets(moved);
  writeSegments(image, moved);
  return Buffer.concat([
    image.subarray(0, PAGE_BYTES),
    Buffer.alloc(PAGE_BYTES),
    image.subarray(PAGE_BYTES, offsetOf(cutFrom)),
    image.subarray(offsetOf(cutTo)),
  ]);
}

/** @param {Segment} segment */
function isFirst(segment) {
  return segment.type === PT_LOAD && segment.offset === 0;
}

/**
 * The parts of a segment without the memory from one address to another. @param {Segment} segment
 * @param {number} from @param {number} to @returns {Segment[]}
 */
function cut(segment, from, to) {
  const before = from - segment.address;
  const skipped = to - segment.address;
  const after = segment.fileBytes - skipped;
  return [
    { ...segment, fileBytes: before, memoryBytes: before },
    { ...segment, offset: segment.offset + skipped, address: to, fileBytes: after, memoryBytes: after },
  ];
}

/**
 * @param {Segment} segment
 * @param {number} address
 * @param {number} offset
 * @param {number} bytes
 */
function noteSegment(segment, address, offset, bytes) {
  return { ...segment, address, offset, fileBytes: bytes, memoryBytes: bytes };
}

/**
 * The kernel maps pages; so an address and its offset in the file are equal within a page.
 * @param {readonly Segment[]} segments
 */
function checkOffsets(segments) {
  for (const { type, offset, address, align } of segments)
    if (type === PT_LOAD && (offset - address) % Math.min(align, PAGE_BYTES) !== 0)
      throw new Error(
        `the segment at ${address.toString(16)} cannot be at ${offset.toString(16)} in the file`,
      );
}

/** @param {Buffer} content */
function noteOf(content) {
  const name = Buffer.alloc(roundUp(NOTE_NAME.length + 1, 4));
  name.write(NOTE_NAME);
  const head = Buffer.alloc(12);
  head.writeUInt32LE(NOTE_NAME.length + 1, 0);
  head.writeUInt32LE(content.length, 4);
  return Buffer.concat([head, name, content, Buffer.alloc(roundUp(content.length, 4) - content.length)]);
}

/** @param {Buffer} image */
function setFuse(image) {
  const at = image.indexOf(`${FUSE}0`);
  if (at < 0 || image.indexOf(`${FUSE}0`, at + 1) >= 0) throw new Error(`${FUSE}0 is not there once`);
  image.write("1", at + FUSE.length);
}

/**
 * @param {number} value
 * @param {number} step
 */
function roundUp(value, step) {
  return Math.ceil(value / step) * step;
}
