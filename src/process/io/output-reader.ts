// Reads one pipe or pty of one process: while the gate says so, then out of turn at the process's exit, and after the
// end only to throw away. The same for pipes and ptys; what differs is in OutputSource.

import { readSync } from "node:fs";
import type { Socket } from "node:net";
import { errnoName, type Fd } from "../../linux/index.ts";
import type { OnRead } from "./fd-stream.ts";
import { ReadBuffer } from "./read-buffer.ts";

export interface OutputSource {
  /** Opens the event-driven stream, not reading yet. */
  open(onread: OnRead): Socket;
  /** For reading at once, past the stream. */
  readonly fd: Fd;
  /** Whether `fd` is a copy that lasts until `close`; otherwise it is the stream's own and goes with it. */
  readonly outlivesStream: boolean;
  /** An upper bound of what the kernel holds for us now. Bytes beyond it were written later than this call. */
  bytesHeld(): number;
  /** Closes what `open`'s stream does not. Called once. */
  close(): void;
}

export interface OutputSink {
  /** See OutputWindow.append for whose `data` is. */
  push(data: Buffer): void;
  /** Nothing more will come: the last writer is gone. Not called from within `readOut`. */
  onOver(): void;
}

export class OutputReader {
  readonly #source: OutputSource;
  #sink: OutputSink;
  /** A pty's takes its input, too. Closed with this reader. */
  readonly stream: Socket;
  #buffer = new ReadBuffer();
  #state: "open" | "discarding" | "over" = "open";
  #reading = false;

  constructor(source: OutputSource, sink: OutputSink) {
    this.#source = source;
    this.#sink = sink;
    this.stream = source.open({
      buffer: () => this.#buffer.current,
      callback: (bytes) => this.#onRead(bytes),
    });
    // A pty reports its end as EIO, a pipe as end of file.
    this.stream.on("end", () => this.#onStreamOver()).on("error", () => this.#onStreamOver());
  }

  /** Whether the last writer is gone and all is read. */
  get isOver(): boolean {
    return this.#state === "over";
  }

  /** Follows the multiplexer's gate. */
  setReading(reading: boolean): void {
    if (this.#state !== "open") return;
    this.#reading = reading;
    if (reading) this.stream.resume();
    else this.stream.pause();
  }

  /**
   * Reads what was written before this call, whatever the gate says: rule 2 promises what a process wrote before it
   * exited to every subscriber, and the kernel bounds it (a pipe's 64 KiB). Does not follow an orphan that writes
   * on. Finds out where there is no other writer: then `isOver`. To be called once, when the process is reaped.
   */
  readOut(): void {
    if (this.#state !== "open") return;
    if (this.#readOut() === "eof") this.#close();
  }

  /** From now on reads and drops, as if the writers wrote to /dev/null, until the last of them is gone (rule 4). */
  discard(): void {
    if (this.#state !== "open") return;
    this.#state = "discarding";
    // An orphan may live for days: what its process held must not.
    this.#sink = nowhere;
    this.#buffer = new ReadBuffer();
    this.stream.resume();
  }

  #onRead(bytes: number): boolean {
    if (this.#state === "discarding") return true;
    this.#sink.push(this.#buffer.take(bytes));
    // The push may have shut the gate.
    return this.#reading;
  }

  /**
   * The stream says it is over. On a pty it may be wrong: libuv takes a hang-up after a partial read for the end,
   * though a pty hands out at most 4 KiB a read. So what is left is read here; without this, one burst of 300 kB in
   * three loses its tail.
   */
  #onStreamOver(): void {
    if (this.#state === "over") return;
    if (this.#state === "open" && this.#source.outlivesStream) this.#readOut();
    this.#close();
    this.#sink.onOver();
  }

  #readOut(): "eof" | "more may come" {
    // Not this.#buffer: the stream reads on into its current one, whatever we would take out of it here.
    const buffer = new ReadBuffer();
    const limit = this.#source.bytesHeld();
    // One read past the limit, for that one finds the end of file.
    for (let total = 0; total <= limit; ) {
      const found = readNow(this.#source.fd, buffer.current);
      if (typeof found !== "number") return found;
      this.#sink.push(buffer.take(found));
      total += found;
    }
    return "more may come";
  }

  #close(): void {
    this.#state = "over";
    this.stream.destroy();
    this.#source.close();
  }
}

const nowhere: OutputSink = {
  push: () => {
    // Dropped.
  },
  onOver: () => {
    // Nobody waits for it any more.
  },
};

function readNow(fd: Fd, buffer: Buffer): number | "eof" | "more may come" {
  try {
    const bytes = readSync(fd, buffer);
    return bytes > 0 ? bytes : "eof";
  } catch (error) {
    // EIO: a pty's last slave is closed and its buffer is empty. Whatever else there is, it will not be readable.
    return errnoName(error) === "EAGAIN" ? "more may come" : "eof";
  }
}
