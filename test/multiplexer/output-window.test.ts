import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { type Chunk, type Offset, type OutputStream, offset } from "../../src/multiplexer/chunk.ts";
import {
  CHUNK_OVERHEAD_BYTES,
  KEEP_BY_REFERENCE_BYTES,
  OutputWindow,
} from "../../src/multiplexer/output-window.ts";

const ALL = Number.POSITIVE_INFINITY;

/** A window with one chunk per text, each of another stream than the one before, so that nothing is gathered. */
function windowOf(...texts: string[]): OutputWindow {
  const window = new OutputWindow();
  texts.forEach((text, index) => {
    append(window, text, index % 2 === 0 ? "stdout" : "stderr");
  });
  return window;
}

function append(window: OutputWindow, text: string, stream: OutputStream = "stdout"): void {
  window.append(stream, Buffer.from(text));
  window.checkInvariants();
}

function read(window: OutputWindow, from: number, maxBytes: number = ALL): string[] {
  return textsOf(window.read(offset(from), maxBytes));
}

function textsOf(chunks: readonly Chunk[]): string[] {
  return chunks.map((chunk) => chunk.data.toString());
}

function only(chunks: readonly Chunk[]): Chunk {
  const [chunk] = chunks;
  if (chunk === undefined || chunks.length !== 1) throw new Error(`${chunks.length} chunks instead of one`);
  return chunk;
}

describe("appended data", () => {
  test("that is short is copied: the caller may fill its buffer again", () => {
    const window = new OutputWindow();
    const buffer = Buffer.from("first");
    window.append("stdout", buffer);
    buffer.write("OTHER");
    expect(read(window, 0)).toEqual(["first"]);
  });

  test.each([
    [KEEP_BY_REFERENCE_BYTES - 1, "a copy"],
    [KEEP_BY_REFERENCE_BYTES, "the caller's memory"],
    [KEEP_BY_REFERENCE_BYTES + 1, "the caller's memory"],
  ])("of %i bytes is kept as %s", (bytes, kept) => {
    const window = new OutputWindow();
    const data = Buffer.alloc(bytes, "x");
    window.append("stdout", data);
    const { data: held } = only(window.read(offset(0), ALL));
    expect(held.equals(data)).toBe(true);
    expect(held.buffer === data.buffer).toBe(kept === "the caller's memory");
  });

  test("that is empty is ignored", () => {
    const window = windowOf("");
    expect(window.head).toBe(0);
    expect(window.heldBytes).toBe(0);
    expect(read(window, 0)).toEqual([]);
  });

  test("counts its bytes and the overhead of its chunk", () => {
    const window = windowOf("abc", "de");
    expect(window.heldBytes).toBe(5 + 2 * CHUNK_OVERHEAD_BYTES);
    expect(window.head).toBe(5);
    expect(window.oldest).toBe(0);
  });
});

describe("gathering", () => {
  test("makes one chunk of short pieces of a stream that nobody has read", () => {
    const window = new OutputWindow();
    for (const piece of ["a", "bc", "def", "g"]) append(window, piece);
    expect(window.heldBytes).toBe(7 + CHUNK_OVERHEAD_BYTES);
    const chunk = only(window.read(offset(0), ALL));
    expect(chunk.data.toString()).toBe("abcdefg");
    expect(chunk).toMatchObject({ stream: "stdout", offset: 0 });
  });

  test("copies: the caller may fill the buffer of a gathered piece again", () => {
    const window = windowOf("a");
    const buffer = Buffer.from("b");
    window.append("stdout", buffer);
    buffer.write("X");
    expect(read(window, 0)).toEqual(["ab"]);
  });

  test("does not join streams, nor a stream with what it wrote before another one did", () => {
    expect(read(windowOf("out", "err", "out again"), 0)).toEqual(["out", "err", "out again"]);
  });

  test("never changes a chunk that was read", () => {
    const window = windowOf("abc");
    const chunk = only(window.read(offset(0), ALL));
    append(window, "def");
    expect(chunk.data.toString()).toBe("abc");
    expect(read(window, 0)).toEqual(["abc", "def"]);
    expect(only(window.read(offset(0), 3))).toBe(chunk);
  });

  test("goes on in a last chunk that a read's limit left unread", () => {
    const window = windowOf("abc", "de");
    expect(read(window, 0, 3)).toEqual(["abc"]);
    append(window, "f", "stderr");
    expect(read(window, 3)).toEqual(["def"]);
  });

  test("stops below the length that is kept by reference: the piece that would reach it begins a chunk", () => {
    const window = new OutputWindow();
    append(window, "x".repeat(KEEP_BY_REFERENCE_BYTES - 3));
    append(window, "ab");
    append(window, "c");
    append(window, "d");
    expect(read(window, 0).map((text) => text.length)).toEqual([KEEP_BY_REFERENCE_BYTES - 1, 2]);
  });

  test("never writes behind data that is kept by reference", () => {
    const window = new OutputWindow();
    const buffer = Buffer.alloc(KEEP_BY_REFERENCE_BYTES * 2, "-");
    window.append("stdout", buffer.subarray(0, KEEP_BY_REFERENCE_BYTES));
    append(window, "short");
    expect(read(window, KEEP_BY_REFERENCE_BYTES)).toEqual(["short"]);
    expect(buffer.includes("short")).toBe(false);
  });

  test("does not join what was appended before and after data kept by reference", () => {
    const window = windowOf("a");
    window.append("stdout", Buffer.alloc(KEEP_BY_REFERENCE_BYTES, "-"));
    append(window, "b");
    expect(read(window, 0).map((text) => text.length)).toEqual([1, KEEP_BY_REFERENCE_BYTES, 1]);
  });

  test("begins anew after everything was trimmed", () => {
    const window = windowOf("abc");
    window.read(offset(0), ALL);
    window.trim(offset(3));
    append(window, "d");
    append(window, "e");
    expect(read(window, 3)).toEqual(["de"]);
  });

  test("begins anew after everything was trimmed that nobody had read", () => {
    const window = windowOf("abc");
    window.trim(offset(3));
    append(window, "de");
    expect(window.oldest).toBe(3);
    expect(read(window, 3)).toEqual(["de"]);
  });
});

describe("the memory of a held chunk", () => {
  test.each([
    [1, 1],
    [1, 100],
    [1, 3_000],
    [9, 1],
    [1_100, 7],
    [4, KEEP_BY_REFERENCE_BYTES / 4 - 1],
  ])("that gathered %i pieces of %i bytes is at most twice that and the overhead", (pieces, bytes) => {
    const window = new OutputWindow();
    for (let piece = 0; piece < pieces; piece++) append(window, "x".repeat(bytes));
    const { data } = only(window.read(offset(0), ALL));
    expect(data.buffer.byteLength).toBeLessThanOrEqual(2 * pieces * bytes + CHUNK_OVERHEAD_BYTES);
  });

  test("is let go of when it is trimmed, also while later chunks are held", async () => {
    const window = new OutputWindow();
    const collected = trimOneOfTwo(window);
    // A turn of its own: what a turn makes a WeakRef of stays until it is over.
    await new Promise((resolve) => setImmediate(resolve));
    collectGarbage();
    expect(collected()).toBe(true);
    expect(window.heldBytes).toBe(1 + CHUNK_OVERHEAD_BYTES);
  });

  /** A function of its own, so that no variable keeps the chunk. */
  function trimOneOfTwo(window: OutputWindow): () => boolean {
    const data = Buffer.alloc(KEEP_BY_REFERENCE_BYTES);
    window.append("stdout", data);
    append(window, "x");
    window.read(offset(0), ALL);
    window.trim(offset(data.length));
    const weak = new WeakRef(data);
    return () => weak.deref() === undefined;
  }

  test("does not grow with what has passed through a window that is never empty", () => {
    const window = windowOf("x");
    passThrough(window, 10_000);
    const before = heapBytes();
    passThrough(window, 300_000);
    // One forgotten slot for each chunk would be 2.4 MB.
    expect(heapBytes() - before).toBeLessThan(1_000_000);
    expect(window.heldBytes).toBe(1 + CHUNK_OVERHEAD_BYTES);
  });

  function passThrough(window: OutputWindow, chunks: number): void {
    const piece = Buffer.from("x");
    for (let chunk = 0; chunk < chunks; chunk++) {
      window.append("stdout", piece);
      window.read(window.oldest, ALL);
      window.trim(offset(window.head - 1));
    }
  }

  function heapBytes(): number {
    collectGarbage();
    return process.memoryUsage().heapUsed;
  }

  function collectGarbage(): void {
    setFlagsFromString("--expose-gc");
    const gc: () => void = runInNewContext("gc");
    gc();
  }
});

describe("a read", () => {
  const texts = ["aaa", "bb", "cccc"];

  test.each([
    [0, ["aaa"]],
    [2, ["aaa"]],
    [3, ["aaa"]],
    [4, ["aaa"]],
    [5, ["aaa", "bb"]],
    [8, ["aaa", "bb"]],
    [9, ["aaa", "bb", "cccc"]],
    [ALL, ["aaa", "bb", "cccc"]],
  ])("of at most %d bytes finds %j: one chunk, then as many as fit", (maxBytes, expected) => {
    expect(read(windowOf(...texts), 0, maxBytes)).toEqual(expected);
  });

  test("from any chunk's start finds that chunk", () => {
    const window = windowOf(...texts);
    expect([0, 3, 5].map((from) => read(window, from, 1))).toEqual([["aaa"], ["bb"], ["cccc"]]);
  });

  test("at the head finds nothing", () => {
    expect(read(windowOf(...texts), 9)).toEqual([]);
    expect(read(new OutputWindow(), 0)).toEqual([]);
  });

  test("twice from one place finds the same chunks, with what was kept on them", () => {
    const window = windowOf("abc");
    const chunk = only(window.read(offset(0), ALL));
    chunk.frames = new Map([["json", ["frame"]]]);
    expect(only(window.read(offset(0), ALL))).toBe(chunk);
  });

  test.each([
    [1, "within a chunk"],
    [4, "within a chunk"],
    [10, "beyond the head"],
    [-1, "before the start"],
  ])("from %i, %s, throws", (from) => {
    const window = windowOf(...texts);
    expect(() => window.read(offset(from), ALL)).toThrow(/no chunk/);
    window.checkInvariants();
  });

  test("from below what is held throws and does not pretend that what is held comes next", () => {
    const window = windowOf(...texts);
    window.trim(offset(3));
    expect(() => window.read(offset(0), ALL)).toThrow("no chunk begins at 0");
    window.trim(offset(9));
    expect(() => window.read(offset(5), ALL)).toThrow(/no chunk/);
  });
});

describe("trimming", () => {
  const texts = ["aaa", "bb", "cccc"];

  test.each([
    [0, 0, texts],
    [2, 0, texts],
    [3, 3, ["bb", "cccc"]],
    [4, 3, ["bb", "cccc"]],
    [5, 5, ["cccc"]],
    [9, 9, []],
  ])("to %i lets go of whole chunks only: from %i on %j stay", (to, oldest, left) => {
    const window = windowOf(...texts);
    window.trim(offset(to));
    window.checkInvariants();
    expect(window.oldest).toBe(oldest);
    expect(window.head).toBe(9);
    expect(window.heldBytes).toBe(left.join("").length + left.length * CHUNK_OVERHEAD_BYTES);
    expect(read(window, oldest)).toEqual(left);
  });

  test("to below what is held changes nothing", () => {
    const window = windowOf(...texts);
    window.trim(offset(5));
    window.trim(offset(3));
    expect(window.oldest).toBe(5);
    expect(read(window, 5)).toEqual(["cccc"]);
  });

  test("of a thousand chunks one by one leaves each of the rest to be found, with 200 more behind", () => {
    const window = new OutputWindow();
    const texts = Array.from({ length: 1_200 }, (_, index) => `${index} `);
    texts.forEach((text, index) => {
      append(window, text, index % 2 === 0 ? "stdout" : "stderr");
    });
    for (let trimmed = 1; trimmed <= 1_000; trimmed++) {
      const from: Offset = offset(texts.slice(0, trimmed).join("").length);
      window.trim(from);
      window.checkInvariants();
      const found = [read(window, from, 1), read(window, window.head - 5, 1)];
      expect(found).toEqual([[texts[trimmed]], [texts.at(-1)]]);
    }
    expect(read(window, window.oldest)).toEqual(texts.slice(1_000));
  });
});
