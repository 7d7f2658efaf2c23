// Reads one pipe or pty of one process: while the gate is open, once more when the process exits,
// and after the end only to discard (rule 4). Pipes and ptys share it; their differences are in
// OutputSource.

import { readSync } from "node:fs";
import type { Socket } from "node:net";
import { errnoName, type Fd, readAvailable, wouldWriterWait } from "../../linux/index.ts";
import { type MemoryBudget, SPENT_BACKLOG_BYTES } from "../../multiplexer/index.ts";
import { mayDiscardMore } from "./discard-pace.ts";
import type { OnRead } from "./fd-stream.ts";
import { ReadBuffer } from "./read-buffer.ts";

export interface OutputSource {
  /** Opens the event-driven stream, which does not read yet. */
  open(onread: OnRead): Socket;
  /** For synchronous reads that bypass the stream. */
  readonly fd: Fd;
  /**
   * Whether `fd` is a copy that stays open until `close`; otherwise it is closed together with the
   * stream.
   */
  readonly outlivesStream: boolean;
  /** Whether a read returns less than is there: a pty's returns at most 4 KiB. */
  readonly isReadInPieces: boolean;
  /**
   * An upper bound of the bytes that the kernel holds now. Bytes beyond it are written after this
   * call.
   */
  bytesHeld(): number;
  /** Closes everything that the stream does not close. Called once. */
  close(): void;
  /**
   * The same, with another stream; the first one is destroyed before, and `close` is then only called on the new one.
   * Absent if the stream carries no input.
   */
  renew?(): OutputSource;
  /** The descriptor that is open until the reader has ended. */
  readonly descriptors: SourceDescriptors;
}

/** The descriptor that is read, and the copy of it if it is a pty. */
export interface SourceDescriptors {
  readonly fd: Fd;
  readonly copy?: Fd | undefined;
}

export interface OutputSink {
  /** OutputWindow.append says who owns `data`. */
  push(data: Buffer): void;
  /** All output that `readOut` left behind is read. */
  onReadOut(): void;
  /**
   * The last writer has closed its end and everything is read. Not called from within `readOut`.
   */
  onEnd(): void;
}

/** After less, there is usually nothing: an echo, a line. */
const MORE_FROM_BYTES = 1024;

/** How much of a terminal's output is gathered in one turn. */
const GATHERED_BYTES = 16 * 1024;

/** How much `readOut` reads at once. A program can enlarge its pipes: to 1 MiB each, root without a limit. */
const READ_OUT_BYTES = 256 * 1024;

export class OutputReader {
  readonly #source: OutputSource;
  #sink: OutputSink;
  #stream: Socket | undefined;
  readonly #budget: Pick<MemoryBudget, "isSpent">;
  readonly #buffer = new ReadBuffer();
  #state: "open" | "discarding" | "ended" = "open";
  #isReading = false;
  /** The output that `readOut` left in the pipe. */
  #unreadBytes = 0;

  constructor(source: OutputSource, sink: OutputSink, budget: Pick<MemoryBudget, "isSpent">) {
    this.#source = source;
    this.#sink = sink;
    this.#budget = budget;
    this.#stream = source.open({
      buffer: () => this.#nextBuffer(),
      callback: (bytes) => this.#onRead(bytes),
    });
    // A pty reports its end as EIO, a pipe as end of file.
    this.#stream.on("end", () => this.#onStreamEnd()).on("error", () => this.#onStreamEnd());
  }

  /**
   * The stream of a pty also carries its input. Closed with this reader, and undefined then: a closed stream keeps the buffer that
   * it read into, and the results of ended processes are kept for hours.
   */
  get stream(): Socket | undefined {
    return this.#stream;
  }

  /** Whether a write to it would wait now. */
  get isFull(): boolean {
    return this.#state === "open" && wouldWriterWait(this.#source.fd);
  }

  /** Its descriptors, while they are open and belong to its process: not while it discards. */
  get descriptors(): SourceDescriptors | undefined {
    return this.#state === "open" ? this.#source.descriptors : undefined;
  }

  /** Whether the last writer has closed its end and everything is read. */
  get hasEnded(): boolean {
    return this.#state === "ended";
  }

  /** Follows the gate of the multiplexer. */
  setReading(isReading: boolean): void {
    if (this.#state !== "open") return;
    this.#isReading = isReading;
    if (isReading) this.#stream?.resume();
    else this.#stream?.pause();
  }

  /** Whether output that `readOut` left behind is still to be read. */
  get hasUnread(): boolean {
    return this.#state === "open" && this.#unreadBytes > 0;
  }

  /**
   * Reads the output that was written before this call, even if the gate is closed: rule 2 promises
   * the output that a process wrote before it exited to every subscriber. Does not wait for an orphan that
   * continues to write. Without another writer it detects the end, and `hasEnded` is true. To be called
   * when the process is reaped.
   *
   * What a pipe holds beyond `READ_OUT_BYTES`, or beyond a spent memory budget, stays in it (`hasUnread`), is
   * read when the gate allows it, and is then reported to the sink.
   */
  readOut(): void {
    if (this.#state !== "open") return;
    const heldBytes = this.#source.bytesHeld();
    const mostBytes = this.#source.isReadInPieces ? heldBytes : Math.min(heldBytes, READ_OUT_BYTES);
    const { readBytes, hasEnded } = this.#readOut(mostBytes, () => this.#budget.isSpent);
    if (hasEnded) this.#close();
    // A terminal holds little, and how much is not known.
    else if (!this.#source.isReadInPieces) this.#unreadBytes = Math.max(0, heldBytes - readBytes);
  }

  /**
   * From now on reads and drops everything, as /dev/null does, until the last writer closes its end
   * (rule 4).
   */
  discard(): void {
    if (this.#state !== "open") return;
    if (this.#source.renew !== undefined && (this.#stream?.writableLength ?? 0) > 0) {
      this.#discardAnew(this.#source.renew);
      return;
    }
    this.#state = "discarding";
    discarding.add(this.#source);
    // An orphan may live for days; the memory of its process must not be held that long.
    this.#sink = nowhere;
    this.#stream?.resume();
  }

  /**
   * Input waits that the process has not read. A stream drops it only when it is closed; else an orphan that does not
   * read would hold that memory for as long as it lives.
   */
  #discardAnew(renew: () => OutputSource): void {
    this.#state = "ended";
    this.#destroyStream();
    new OutputReader(renew(), nowhere, this.#budget).discard();
  }

  /** A thousand attached processes continue to read while the budget is spent, so each reads little. */
  #nextBuffer(): Buffer {
    // Until here the stream had the buffer of its reader.
    if (this.#state === "discarding") this.#buffer.close();
    const { current } = this.#buffer;
    return this.#budget.isSpent && this.#state === "open"
      ? current.subarray(0, SPENT_BACKLOG_BYTES)
      : current;
  }

  #onRead(bytes: number): boolean {
    if (this.#state === "discarding") return this.#discardMore();
    const total = this.#source.isReadInPieces ? this.#readMore(bytes) : bytes;
    this.#sink.push(this.#buffer.take(total));
    if (this.#unreadBytes > 0) this.#countUnread(total);
    return this.#mayReadOn;
  }

  /** A push may close the gate, and what is read last may end the process. */
  get #mayReadOn(): boolean {
    return this.#isReading || this.#state === "discarding";
  }

  #countUnread(readBytes: number): void {
    this.#unreadBytes -= readBytes;
    if (this.#unreadBytes <= 0) this.#sink.onReadOut();
  }

  /**
   * The stream reads once per turn of the event loop. Fills its buffer with what else is there, so that a
   * terminal costs a push, a frame and a write for each 16 KiB at best, instead of for each 4. A connection
   * that breaks after 50 kB must still make progress, so a frame is not larger. Returns the filled bytes.
   */
  #readMore(bytes: number): number {
    const buffer = this.#buffer.current;
    let total = bytes;
    if (this.#budget.isSpent) return total;
    for (let last = bytes; last >= MORE_FROM_BYTES && total < GATHERED_BYTES; total += last)
      last = readAvailable(this.#source.fd, buffer.subarray(0, GATHERED_BYTES), total);
    return total;
  }

  #discardMore(): boolean {
    const mayContinue = mayDiscardMore(() => this.#discardOnce());
    if (!mayContinue) this.#stream?.pause();
    return mayContinue;
  }

  /** Bypasses the stream, whose pause and resume cost more than the read. The stream finds the end. */
  #discardOnce(): boolean {
    if (this.#state !== "discarding") return false;
    const hasRead = readAvailable(this.#source.fd, this.#buffer.current, 0) > 0;
    if (!hasRead) this.#stream?.resume();
    return hasRead;
  }

  /**
   * The stream has ended. On a pty that may be wrong: libuv takes a hang-up after a partial read
   * for the end, but a pty returns at most 4 KiB a read. So the rest is read here. Without this,
   * one burst of 300 kB in three loses its tail.
   */
  #onStreamEnd(): void {
    if (this.#state === "ended") return;
    if (this.#state === "open" && this.#source.outlivesStream)
      this.#readOut(this.#source.bytesHeld(), () => false);
    this.#close();
    this.#sink.onEnd();
  }

  /** Stops at `mostBytes`, at a pipe's first read of a spent budget, and where there is nothing now. */
  #readOut(
    mostBytes: number,
    isSpent: () => boolean,
  ): { readonly readBytes: number; readonly hasEnded: boolean } {
    // Not this.#buffer: the stream continues to read into its current buffer.
    const buffer = new ReadBuffer();
    let readBytes = 0;
    try {
      // One read past the limit: that one finds the end of file.
      while (readBytes <= mostBytes) {
        const isLast = isSpent() && !this.#source.isReadInPieces;
        const { current } = buffer;
        const found = readNow(this.#source.fd, isLast ? current.subarray(0, SPENT_BACKLOG_BYTES) : current);
        if (typeof found !== "number") return { readBytes, hasEnded: found === "eof" };
        this.#sink.push(buffer.take(found));
        readBytes += found;
        if (isLast && found === SPENT_BACKLOG_BYTES) break;
      }
    } finally {
      buffer.close();
    }
    return { readBytes, hasEnded: false };
  }

  #close(): void {
    this.#state = "ended";
    this.#destroyStream();
    discarding.delete(this.#source);
    this.#source.close();
  }

  #destroyStream(): void {
    this.#buffer.close();
    this.#stream?.destroy();
    this.#stream = undefined;
  }
}

/**
 * The pipe or pty to which orphans write. It belongs to no process any more, and is read for as
 * long as they live.
 */
const discarding = new Set<OutputSource>();

/** The descriptors of all readers that discard. */
export function discardedSources(): SourceDescriptors[] {
  return [...discarding].map(({ descriptors }) => descriptors);
}

const nowhere: OutputSink = {
  push: () => {
    // Dropped.
  },
  onReadOut: () => {
    // Nothing is left behind.
  },
  onEnd: () => {
    // The process has ended already.
  },
};

function readNow(fd: Fd, buffer: Buffer): number | "eof" | "more may come" {
  try {
    const bytes = readSync(fd, buffer);
    return bytes > 0 ? bytes : "eof";
  } catch (error) {
    // EIO: the last slave of a pty is closed and its buffer is empty. After any other error nothing
    // can be read.
    return errnoName(error) === "EAGAIN" ? "more may come" : "eof";
  }
}
