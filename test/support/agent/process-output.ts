// A process's output as a client sees it: a fork of its multiplexer, collected per stream until the
// end event. It checks what must always hold: offsets without a hole or an overlap, and nothing
// after the end.

import type { OutputStream, Subscriber } from "../../../src/multiplexer/index.ts";
import type { Process, ProcessEnd } from "../../../src/process/index.ts";
import { inTime } from "../deadline.ts";

export interface ProcessOutput {
  /** All bytes so far. */
  bytes(stream: OutputStream): Buffer;
  text(stream: OutputStream): string;
  /** The first match in the past or future output. */
  waitFor(stream: OutputStream, pattern: RegExp): Promise<RegExpExecArray>;
  /** Resolves with the end event, after all output. */
  end(): Promise<ProcessEnd>;
  /** Stops reading: the window fills and the gate shuts. */
  pause(): void;
  resume(): void;
  detach(): void;
}

/**
 * Attaches at once, so that the process's output is read. `paused`: attached, without reading yet.
 */
export function collectOutput(process: Process, options: { readonly paused?: boolean } = {}): ProcessOutput {
  const collector = new Collector(process, options.paused ?? false);
  return collector;
}

export interface WholeOutput {
  readonly stdout: string;
  readonly stderr: string;
  readonly pty: string;
  readonly end: ProcessEnd;
}

/** Everything that a process writes from now until its end. */
export async function outputOf(process: Process): Promise<WholeOutput> {
  const output = collectOutput(process);
  const end = await output.end();
  return { stdout: output.text("stdout"), stderr: output.text("stderr"), pty: output.text("pty"), end };
}

class Collector implements ProcessOutput {
  readonly #process: Process;
  readonly #chunks = { stdout: new Pieces(), stderr: new Pieces(), pty: new Pieces() };
  readonly #subscriber: Subscriber<ProcessEnd>;
  readonly #waiting = new Set<() => void>();
  #at: number;
  #end: ProcessEnd | undefined;
  #failure: unknown;
  #paused: boolean;

  constructor(process: Process, paused: boolean) {
    this.#process = process;
    this.#paused = paused;
    this.#subscriber = process.output.fork({ onReadable: () => this.#pump() });
    this.#at = this.#subscriber.start;
    this.#pump();
  }

  bytes(stream: OutputStream): Buffer {
    return this.#chunks[stream].all();
  }

  text(stream: OutputStream): string {
    return this.bytes(stream).toString("utf8");
  }

  waitFor(stream: OutputStream, pattern: RegExp): Promise<RegExpExecArray> {
    return this.#until(`${pattern} on ${stream}`, () => {
      const found = pattern.exec(this.text(stream));
      if (found === null && this.#end !== undefined) throw new Error(`ended without it: ${this.#state()}`);
      return found ?? undefined;
    });
  }

  end(): Promise<ProcessEnd> {
    return this.#until("an end", () => this.#end);
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#pump();
  }

  detach(): void {
    this.#paused = true;
    this.#subscriber.detach();
  }

  #pump(): void {
    try {
      while (!this.#paused && this.#readOnce()) this.#process.output.checkInvariants();
    } catch (error) {
      // An exception here would end in the reader or the reaper, and the test would not see it.
      this.#failure = error;
    }
    for (const look of [...this.#waiting]) look();
  }

  /** False when there is nothing to read at the moment. */
  #readOnce(): boolean {
    const read = this.#subscriber.read();
    if (read.kind === "empty") return false;
    if (read.kind === "end") {
      this.#end = read.end;
      if (this.#process.output.head !== this.#at) throw new Error(`ended at ${this.#at}: ${this.#state()}`);
      this.detach();
      return false;
    }
    if (read.kind === "gap") throw new Error(`a gap of ${read.from} to ${read.to} in what was never read`);
    const { stream, offset, data } = read.chunk;
    if (offset !== this.#at) throw new Error(`a chunk at ${offset} where ${this.#at} was due`);
    // A copy: once the chunk is delivered, its buffer may be reused.
    this.#chunks[stream].add(Buffer.from(data));
    this.#at += data.length;
    this.#subscriber.delivered();
    return true;
  }

  #until<T>(what: string, look: () => T | undefined): Promise<T> {
    let check: () => void = () => undefined;
    const found = new Promise<T>((resolve, reject) => {
      check = () => {
        try {
          if (this.#failure !== undefined) throw this.#failure;
          const result = look();
          if (result !== undefined) resolve(result);
        } catch (error) {
          reject(error);
        }
      };
      this.#waiting.add(check);
      check();
    });
    return inTime(found, () => `no ${what}: ${this.#state()}`).finally(() => this.#waiting.delete(check));
  }

  #state(): string {
    const { pid, request, output, isRunning } = this.#process;
    const tails = (["stdout", "stderr", "pty"] as const).map((stream) => {
      const text = this.text(stream);
      return [stream, { bytes: this.bytes(stream).length, tail: text.slice(-500) }] as const;
    });
    const { head, heldBytes, isReading } = output;
    const state = { pid, isRunning, head, heldBytes, isReading, end: this.#end ?? null };
    return JSON.stringify(
      { cmd: request.cmd, args: request.args, ...state, ...Object.fromEntries(tails) },
      null,
      1,
    );
  }
}

/** Bytes that arrive in pieces, joined when they are read. */
class Pieces {
  #pieces: Buffer[] = [];

  add(data: Buffer): void {
    this.#pieces.push(data);
  }

  all(): Buffer {
    const [first = Buffer.alloc(0), ...more] = this.#pieces;
    if (more.length > 0) this.#pieces = [Buffer.concat(this.#pieces)];
    return this.#pieces[0] ?? first;
  }
}
