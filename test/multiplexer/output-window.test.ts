import { describe, expect, test } from "vitest";
import { type Chunk, chunkEnd, type Offset, type OutputStream, offset } from "../../src/multiplexer/chunk.ts";
import {
  CHUNK_OVERHEAD_BYTES,
  KEEP_BY_REFERENCE_BYTES,
  SHORT_PIECE_BYTES,
} from "../../src/multiplexer/chunk-queue.ts";
import { Intervals } from "../../src/multiplexer/intervals.ts";
import { OutputWindow } from "../../src/multiplexer/output-window.ts";
import { collectGarbage, heapBytes } from "../support/heap-bytes.ts";

const ALL = Number.POSITIVE_INFINITY;

/** A window with one chunk per text, in alternating streams, so that nothing is merged. */
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

/** Every byte below `to` is delivered. */
function toReplay(window: OutputWindow, to: number): void {
  const delivered = new Intervals();
  delivered.add(0, to);
  window.settle(offset(to), delivered, offset(0));
}

/** The chunks from `from` to the head, at most `most`. */
function chunksFrom(window: OutputWindow, from: number, most = ALL): Chunk[] {
  const chunks: Chunk[] = [];
  let at = offset(from);
  while (chunks.length < most) {
    const found = window.read(at);
    if (found === undefined) break;
    if (found.kind === "gap") throw new Error(`a gap from ${at} to ${found.to}`);
    chunks.push(found.chunk);
    at = chunkEnd(found.chunk);
  }
  return chunks;
}

function read(window: OutputWindow, from: number, most = ALL): string[] {
  return textsOf(chunksFrom(window, from, most));
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
    const { data: held } = only(chunksFrom(window, 0));
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

describe("merging", () => {
  test("makes one chunk of short pieces of a stream that no subscriber has read", () => {
    const window = new OutputWindow();
    for (const piece of ["a", "bc", "def", "g"]) append(window, piece);
    expect(window.heldBytes).toBe(7 + CHUNK_OVERHEAD_BYTES);
    const chunk = only(chunksFrom(window, 0));
    expect(chunk.data.toString()).toBe("abcdefg");
    expect(chunk).toMatchObject({ stream: "stdout", offset: 0 });
  });

  test("copies: the caller may reuse the buffer of a merged piece", () => {
    const window = windowOf("a");
    const buffer = Buffer.from("b");
    window.append("stdout", buffer);
    buffer.write("X");
    expect(read(window, 0)).toEqual(["ab"]);
  });

  test("does not merge streams, nor output of one stream around that of another", () => {
    expect(read(windowOf("out", "err", "out again"), 0)).toEqual(["out", "err", "out again"]);
  });

  test("never changes a chunk that was read", () => {
    const window = windowOf("abc");
    const chunk = only(chunksFrom(window, 0));
    append(window, "def");
    expect(chunk.data.toString()).toBe("abc");
    expect(read(window, 0)).toEqual(["abc", "def"]);
    expect(only(chunksFrom(window, 0, 1))).toBe(chunk);
  });

  test("continues in a last chunk that was not read", () => {
    const window = windowOf("abc", "de");
    expect(read(window, 0, 1)).toEqual(["abc"]);
    append(window, "f", "stderr");
    expect(read(window, 3)).toEqual(["def"]);
  });

  test("stops below the length that is kept by reference: the piece that would reach it starts a chunk", () => {
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

  test("does not merge output before and after data kept by reference", () => {
    const window = windowOf("a");
    window.append("stdout", Buffer.alloc(KEEP_BY_REFERENCE_BYTES, "-"));
    append(window, "b");
    expect(read(window, 0).map((text) => text.length)).toEqual([1, KEEP_BY_REFERENCE_BYTES, 1]);
  });

  test("starts again after everything was dropped", () => {
    const window = windowOf("abc");
    chunksFrom(window, 0);
    window.dropBelow(offset(3));
    append(window, "d");
    append(window, "e");
    expect(read(window, 3)).toEqual(["de"]);
  });

  test("starts again after everything was dropped unread", () => {
    const window = windowOf("abc");
    window.dropBelow(offset(3));
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
  ])("with %i pieces of %i bytes is at most twice that and the overhead", (pieces, bytes) => {
    const window = new OutputWindow();
    for (let piece = 0; piece < pieces; piece++) append(window, "x".repeat(bytes));
    const { data } = only(chunksFrom(window, 0));
    expect(data.buffer.byteLength).toBeLessThanOrEqual(2 * pieces * bytes + CHUNK_OVERHEAD_BYTES);
  });

  test("is freed when its chunk is dropped, even while later chunks are held", async () => {
    const window = new OutputWindow();
    const collected = trimOneOfTwo(window);
    // A turn of its own: an object with a new WeakRef stays until the turn is over.
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
    chunksFrom(window, 0);
    window.dropBelow(offset(data.length));
    const weak = new WeakRef(data);
    return () => weak.deref() === undefined;
  }

  test("does not grow with the output that has passed through a window that is never empty", () => {
    const window = windowOf("x");
    // As many as to let V8 compile everything: that alone takes up to 2 MB, once.
    passThrough(window, 300_000);
    const before = heapBytes();
    passThrough(window, 600_000);
    // One forgotten slot for each chunk would be at least 3.5 MB: an array grows in steps of a half.
    expect(heapBytes() - before).toBeLessThan(1_000_000);
    expect(window.heldBytes).toBe(1 + CHUNK_OVERHEAD_BYTES);
  });

  function passThrough(window: OutputWindow, chunks: number): void {
    const piece = Buffer.from("x");
    for (let chunk = 0; chunk < chunks; chunk++) {
      window.append("stdout", piece);
      window.read(window.oldest);
      window.dropBelow(offset(window.head - 1));
    }
  }
});

describe("a read", () => {
  const texts = ["aaa", "bb", "cccc"];

  test("from any chunk's start finds that chunk", () => {
    const window = windowOf(...texts);
    expect([0, 3, 5].map((from) => read(window, from, 1))).toEqual([["aaa"], ["bb"], ["cccc"]]);
  });

  test("at the head finds nothing", () => {
    expect(read(windowOf(...texts), 9)).toEqual([]);
    expect(read(new OutputWindow(), 0)).toEqual([]);
  });

  test("twice from one offset finds the same chunks, with the frames stored on them", () => {
    const window = windowOf("abc");
    const chunk = only(chunksFrom(window, 0));
    chunk.frames = new Map([["json", ["frame"]]]);
    expect(only(chunksFrom(window, 0))).toBe(chunk);
  });

  test.each([
    [1, ["aa", "bb", "cccc"]],
    [4, ["b", "cccc"]],
    [8, ["c"]],
  ])("from %i, within a chunk, finds the rest of it first", (from, expected) => {
    const window = windowOf(...texts);
    expect(read(window, from)).toEqual(expected);
    expect(chunksFrom(window, from, 1)).toMatchObject([{ offset: from, frames: undefined }]);
  });

  test("from within a chunk does not change the chunk, which others read whole", () => {
    const window = windowOf("abc");
    const whole = only(chunksFrom(window, 0));
    whole.frames = new Map([["json", ["frame"]]]);
    expect(only(chunksFrom(window, 1)).frames).toBeUndefined();
    expect(only(chunksFrom(window, 0))).toBe(whole);
    expect(whole.data.toString()).toBe("abc");
  });

  test("from within the last chunk also freezes it: later output is not read twice", () => {
    const window = windowOf("abc");
    expect(read(window, 1)).toEqual(["bc"]);
    append(window, "de");
    expect(read(window, 3)).toEqual(["de"]);
    expect(read(window, 0)).toEqual(["abc", "de"]);
  });

  test.each([
    [10, "beyond the head"],
    [-1, "before the start"],
  ])("from %i, %s, throws", (from) => {
    const window = windowOf(...texts);
    expect(() => chunksFrom(window, from)).toThrow(`no byte ${from} in [0, 9]`);
    window.checkInvariants();
  });

  test("from below the held output finds a gap first", () => {
    const window = windowOf(...texts);
    window.dropBelow(offset(3));
    expect(window.read(offset(0))).toEqual({ kind: "gap", to: 3 });
    window.dropBelow(offset(9));
    expect(window.read(offset(5))).toEqual({ kind: "gap", to: 9 });
  });
});

describe("dropping below an offset", () => {
  const texts = ["aaa", "bb", "cccc"];

  test.each([
    [0, 0, texts],
    [2, 0, texts],
    [3, 3, ["bb", "cccc"]],
    [4, 3, ["bb", "cccc"]],
    [5, 5, ["cccc"]],
    [9, 9, []],
  ])("to %i drops whole chunks only: from %i on %j stay", (to, oldest, left) => {
    const window = windowOf(...texts);
    window.dropBelow(offset(to));
    window.checkInvariants();
    expect(window.oldest).toBe(oldest);
    expect(window.head).toBe(9);
    expect(window.heldBytes).toBe(left.join("").length + left.length * CHUNK_OVERHEAD_BYTES);
    expect(read(window, oldest)).toEqual(left);
  });

  test("to an offset below the held output changes nothing", () => {
    const window = windowOf(...texts);
    window.dropBelow(offset(5));
    window.dropBelow(offset(3));
    expect(window.oldest).toBe(5);
    expect(read(window, 5)).toEqual(["cccc"]);
  });

  test("of a thousand chunks one by one leaves each of the rest to be found, with 200 more behind", () => {
    const window = new OutputWindow();
    const texts = Array.from({ length: 1_200 }, (_, index) => `${index} `.padEnd(SHORT_PIECE_BYTES, "."));
    texts.forEach((text, index) => {
      append(window, text, index % 2 === 0 ? "stdout" : "stderr");
    });
    for (let trimmed = 1; trimmed <= 1_000; trimmed++) {
      const from: Offset = offset(texts.slice(0, trimmed).join("").length);
      window.dropBelow(from);
      window.checkInvariants();
      const found = [read(window, from, 1), read(window, window.head - SHORT_PIECE_BYTES, 1)];
      expect(found).toEqual([[texts[trimmed]], [texts.at(-1)]]);
    }
    expect(read(window, window.oldest)).toEqual(texts.slice(1_000));
  });
});

describe("settling into replay", () => {
  test("merges short chunks of one stream that were read one by one, for the cost of one chunk", () => {
    const window = readOneByOne(["a", "bc", "def"]);
    expect(window.heldBytes).toBe(6 + 3 * CHUNK_OVERHEAD_BYTES);
    toReplay(window, 6);
    window.checkInvariants();
    expect(read(window, 0)).toEqual(["abcdef"]);
    expect([window.heldBytes, window.replayCostBelow(window.head)]).toEqual([
      6 + CHUNK_OVERHEAD_BYTES,
      6 + CHUNK_OVERHEAD_BYTES,
    ]);
  });

  test("does not merge streams", () => {
    const window = windowOf("a", "b", "c");
    toReplay(window, 3);
    expect(read(window, 0)).toEqual(["a", "b", "c"]);
  });

  test("moves whole chunks only", () => {
    const window = readOneByOne(["abc", "def"]);
    toReplay(window, 5);
    window.checkInvariants();
    expect(window.replayCostBelow(window.head)).toBe(3 + CHUNK_OVERHEAD_BYTES);
    expect([read(window, 0, 1), read(window, 3)]).toEqual([["abc"], ["def"]]);
  });

  test("leaves a reader inside a chunk at its byte, wherever merged chunks then begin", () => {
    const window = readOneByOne(["abc", "def", "ghi"]);
    toReplay(window, 9);
    const found = Array.from({ length: 9 }, (_, from) => read(window, from, 1));
    expect(found).toEqual(Array.from({ length: 9 }, (_, from) => ["abcdefghi".slice(from)]));
  });

  test("does not change output that was read before and after, even if output behind it is merged", () => {
    const window = readOneByOne(["abc"]);
    const recent = only(chunksFrom(window, 0));
    toReplay(window, 3);
    const merged = only(chunksFrom(window, 1));
    for (const piece of ["d", "e".repeat(1000), "f".repeat(3000)]) {
      append(window, piece);
      chunksFrom(window, window.head - piece.length);
      toReplay(window, window.head);
    }
    expect([recent.data.toString(), merged.data.toString()]).toEqual(["abc", "bc"]);
    expect(read(window, 0)).toEqual([`abcd${"e".repeat(1000)}${"f".repeat(3000)}`]);
  });

  test("drops frames: stored on chunks they would stay as long as the replay", () => {
    const window = new OutputWindow();
    for (const bytes of [10, KEEP_BY_REFERENCE_BYTES]) {
      window.append("stdout", Buffer.alloc(bytes, "x"));
      for (const chunk of chunksFrom(window, window.head - bytes))
        chunk.frames = new Map([["json", ["frame"]]]);
    }
    toReplay(window, window.head);
    for (const chunk of chunksFrom(window, 0)) {
      expect(chunk.frames).toBeUndefined();
      chunk.frames = new Map([["json", ["frame"]]]);
    }
    expect(chunksFrom(window, 0).map(({ frames }) => frames)).toEqual([undefined, undefined]);
  });

  test("keeps long chunks by reference", () => {
    const window = new OutputWindow();
    const data = Buffer.alloc(KEEP_BY_REFERENCE_BYTES);
    window.append("stdout", data);
    toReplay(window, window.head);
    expect(only(chunksFrom(window, 0)).data).toBe(data);
  });

  test("below settled output changes nothing", () => {
    const window = readOneByOne(["abc", "def"]);
    toReplay(window, 6);
    toReplay(window, 3);
    window.checkInvariants();
    expect(read(window, 0)).toEqual(["abcdef"]);
  });

  test("and then dropping everything leaves nothing, and appending starts again", () => {
    const window = readOneByOne(["abc"]);
    toReplay(window, 3);
    window.dropBelow(offset(3));
    expect([window.heldBytes, window.replayCostBelow(window.head), window.oldest]).toEqual([0, 0, 3]);
    append(window, "d");
    toReplay(window, 4);
    window.checkInvariants();
    expect(read(window, 3)).toEqual(["d"]);
  });

  test("makes the backlog of a reader the merged bytes and the cost of recent chunks", () => {
    const window = readOneByOne(["abc", "def", "ghi"]);
    toReplay(window, 6);
    const recent = 3 + CHUNK_OVERHEAD_BYTES;
    expect([0, 2, 6, 9].map((from) => window.backlogBytes(offset(from)))).toEqual([
      recent + 6,
      recent + 4,
      recent,
      recent,
    ]);
    window.dropBelow(offset(6));
    expect(window.backlogBytes(offset(0))).toBe(recent);
  });
});

describe("dropping the oldest", () => {
  test("drops one chunk, replay first, and none that reaches beyond the limit", () => {
    const window = readOneByOne(["abc", "def", "ghi"]);
    toReplay(window, 3);
    expect(window.dropOldest(offset(2))).toBe(false);
    expect(window.dropOldest(offset(6))).toBe(true);
    expect(window.oldest).toBe(3);
    expect(window.dropOldest(offset(6))).toBe(true);
    expect(window.dropOldest(offset(6))).toBe(false);
    expect(read(window, 6)).toEqual(["ghi"]);
    window.checkInvariants();
  });

  test("of an empty window does nothing", () => {
    expect(new OutputWindow().dropOldest(offset(5))).toBe(false);
  });
});

/** A window whose pieces were read as they came, so that each is a separate chunk. */
function readOneByOne(texts: readonly string[]): OutputWindow {
  const window = new OutputWindow();
  for (const text of texts) {
    append(window, text);
    chunksFrom(window, window.head - text.length);
  }
  return window;
}

describe("short pieces of two streams in turn", () => {
  const pieces = Array.from({ length: 5_000 }, (_, index) => ({
    stream: index % 2 === 0 ? ("stdout" as const) : ("stderr" as const),
    text: `line ${index} of what it prints\n`,
  }));
  const text = pieces.map((piece) => piece.text).join("");

  function filled(): OutputWindow {
    const window = new OutputWindow();
    for (const piece of pieces) window.append(piece.stream, Buffer.from(piece.text));
    window.checkInvariants();
    return window;
  }

  test.each(["held for a reader", "held for replay"])("%s cost less than twice their bytes", (how) => {
    const window = filled();
    if (how === "held for replay") toReplay(window, window.head);
    window.checkInvariants();
    expect(window.heldBytes).toBeLessThan(2 * text.length);
  });

  test("are read piece by piece, each with its stream, from every offset", () => {
    const window = filled();
    let at = 0;
    for (const { stream, text: expected } of pieces) {
      for (const skipped of [0, 3, expected.length - 1]) {
        const [chunk] = chunksFrom(window, at + skipped, 1);
        expect([chunk?.stream, chunk?.offset, chunk?.data.toString()]).toEqual([
          stream,
          at + skipped,
          expected.slice(skipped),
        ]);
      }
      at += expected.length;
    }
    expect(read(window, 0).join("")).toBe(text);
  });

  test("that are read while more come do not change", () => {
    const window = filled();
    const chunks = chunksFrom(window, 0);
    const last = pieces.at(-1)?.stream ?? "stdout";
    for (let times = 0; times < 100; times++) window.append(last, Buffer.from("more"));
    window.checkInvariants();
    expect(textsOf(chunks).join("")).toBe(text);
    expect(read(window, text.length).join("")).toBe("more".repeat(100));
  });
});
