// Archives that no program would make: what is wrong is named, and nothing else happens.

import { execFileSync } from "node:child_process";
import { closeSync, openSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { HoldfastError } from "../../../src/errors.ts";
import { type ArchiveEntry, ArchiveReader } from "../../../src/filesystem/tree/archive-reader.ts";
import { createTempFolder } from "../../support/temp-folder.ts";

const BLOCK = 512;

/** Arrives in pieces of `pieceBytes`. */
async function* inPieces(archive: Buffer, pieceBytes: number): AsyncGenerator<Buffer, void, void> {
  for (let at = 0; at < archive.length; at += pieceBytes) yield archive.subarray(at, at + pieceBytes);
}

interface ReadEntry extends ArchiveEntry {
  readonly content: string;
}

async function entriesOf(archive: Buffer, pieceBytes = 1000): Promise<ReadEntry[]> {
  const reader = new ArchiveReader(inPieces(archive, pieceBytes));
  const entries: ReadEntry[] = [];
  for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) {
    const pieces: Buffer[] = [];
    for (let piece = await reader.read(700); piece.length > 0; piece = await reader.read(700))
      pieces.push(Buffer.from(piece));
    entries.push({ ...entry, content: Buffer.concat(pieces).toString("latin1") });
  }
  return entries;
}

/** A file with six parts of 4,096 bytes, as tar packs it. */
function sparseTar(...options: string[]): Buffer {
  const folder = createTempFolder();
  const file = openSync(join(folder, "file"), "w");
  for (let part = 0; part < 6; part++)
    writeSync(file, Buffer.alloc(4096, String(part)), 0, 4096, part * 65_536);
  closeSync(file);
  truncateSync(join(folder, "file"), 1_000_000);
  return execFileSync("tar", ["--create", "--sparse", ...options, "--directory", folder, "file"]);
}

function tarOf(options: readonly string[], files: Record<string, string>): Buffer {
  const folder = createTempFolder();
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  return execFileSync("tar", ["--create", ...options, "--directory", folder, ...Object.keys(files)]);
}

/** Writes `text` at `at` of a header, whose checksum is then right again. */
function changed(archive: Buffer, at: number, text: string): Buffer {
  const copy = Buffer.from(archive);
  copy.write(text, at, "latin1");
  const header = copy.subarray(0, BLOCK);
  header.fill(" ", 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return copy;
}

const gnu = () => sparseTar("--format=gnu");
const pax = (version: string) => sparseTar("--format=posix", `--sparse-version=${version}`);
const replaced = (archive: Buffer, from: string, to: string) => {
  const at = archive.indexOf(from, 0, "latin1");
  if (at < 0 || from.length !== to.length) throw new Error(`"${from}" is not in the archive`);
  const copy = Buffer.from(archive);
  copy.write(to, at, "latin1");
  return copy;
};

/** Of the parts in the header of GNU's format: the second one begins at byte 65,536. */
const SECOND_OFFSET = 386 + 24;
const SECOND_LENGTH = SECOND_OFFSET + 12;
const REAL_SIZE = 483;

test.each([
  ["parts that overlap", () => changed(gnu(), SECOND_OFFSET, "00000000001"), /overlap.*at byte 1$/],
  ["an offset that is not a number", () => changed(gnu(), SECOND_OFFSET, "0000000000x"), /not a number/],
  ["an offset above 2^53", () => changed(gnu(), SECOND_OFFSET, "\xff".repeat(12)), /not a number/],
  ["a length that is not a number", () => changed(gnu(), SECOND_LENGTH, "0000000000x"), /not a number/],
  ["more data than the archive", () => changed(gnu(), SECOND_LENGTH, "00000020000"), /have 28672 bytes/],
  ["a file that ends before its parts", () => changed(gnu(), REAL_SIZE, "00000001000"), /of a file of 512/],
  ["a size that is not a number", () => changed(gnu(), REAL_SIZE, "0000000000x"), /no valid size/],
  ["no further block", () => gnu().subarray(0, BLOCK), /ends in the middle/],
  ["another magic", () => changed(gnu(), 257, "ustar\x0000"), /format is not known/],
  ["0.1 and an odd number", () => replaced(pax("0.1"), ",65536,4096,", ",65536,40960"), /no length|not a/],
  ["0.0 and two offsets", () => replaced(pax("0.0"), "sparse.numbytes", "sparse.offset=0"), /is missing/],
  ["1.0 and no number", () => replaced(pax("1.0"), "\n65536\n", "\n6553x\n"), /"6553x" is not a number/],
  ["1.0 and more parts than content", () => replaced(pax("1.0"), "7\n0\n", "9\n0\n"), /malformed/],
  ["1.0 and too many parts", () => replaced(pax("1.0"), "7\n0\n4096\n", "9999999\n\n"), /more than 65536/],
  ["version 2", () => replaced(pax("1.0"), "sparse.major=1", "sparse.major=2"), /2\.0 is not known/],
])("a sparse file with %s is refused by its name", async (_, archive, message) => {
  const error = await entriesOf(archive()).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(HoldfastError);
  expect(error).toMatchObject({ code: "invalid_argument", message: expect.stringMatching(message) });
});

test.each([["--format=v7"], ["--format=ustar"], ["--format=oldgnu"], ["--format=gnu"], ["--format=posix"]])(
  "%s is read in pieces of any size",
  async (format) => {
    const long = format === "--format=v7" ? "short" : `long-${"name-".repeat(19)}`;
    const files = { a: "", b: "content of b", [long]: "x".repeat(513), c: "y".repeat(512) };
    const archive = tarOf([format], files);
    for (const pieceBytes of [1, 511, 512, 4096, archive.length]) {
      const entries = await entriesOf(archive, pieceBytes);
      expect(entries.map(({ name, kind, size, content }) => [name, kind, size, content])).toEqual(
        Object.entries(files).map(([name, content]) => [name, "file", content.length, content]),
      );
    }
  },
);

test("an archive of another kind, with wrong records or sizes, is malformed", async () => {
  const archive = tarOf(["--format=posix"], { file: "content" });
  const record = archive.subarray(BLOCK, 2 * BLOCK).toString("latin1");
  const digits = /^\d+/.exec(record)?.[0] ?? "";
  const cases: [Buffer, RegExp][] = [
    [Buffer.from("this is no archive ".repeat(100)), /wrong checksum/],
    [archive.subarray(0, 700), /ends in the middle/],
    [archive.subarray(0, 2 * BLOCK), /ends in the middle/],
    [replaced(archive, `${digits} mtime`, `${"9".repeat(digits.length)} mtime`), /record is malformed/],
    [replaced(archive, `${digits} mtime=`, `${digits} mtime:`), /record is malformed/],
    [changed(archive, 124, "0000000000x"), /no valid size/],
    [changed(archive, 124, "77777777777"), /the limit is 1048576/],
  ];
  for (const [body, message] of cases) await expect(entriesOf(body)).rejects.toThrow(message);
});

test("whatever is changed in an archive, the answer is entries or invalid_argument", async () => {
  const archives = [gnu(), pax("0.0"), pax("0.1"), pax("1.0"), tarOf([], { a: "x", b: "y".repeat(2000) })];
  const change = fc.record({ at: fc.nat(3 * BLOCK), byte: fc.nat(255), isHeader: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...archives),
      fc.array(change, { minLength: 1, maxLength: 4 }),
      async (archive, changes) => {
        let body = archive;
        for (const { at, byte, isHeader } of changes) {
          if (isHeader && at < BLOCK) body = changed(body, at, String.fromCharCode(byte));
          else {
            body = Buffer.from(body);
            body[at] = byte;
          }
        }
        try {
          for (const { size, sparse } of await entriesOf(body))
            for (const bound of sparse ?? []) expect(bound >= 0 && bound <= size).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(HoldfastError);
          expect(error).toMatchObject({ code: "invalid_argument" });
        }
      },
    ),
    { numRuns: 500 },
  );
});
