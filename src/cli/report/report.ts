// The report on an attached process for a person or a script: its output, and the state of the connection. As text, it
// is stdout and stderr of the program, and everything else is a line on stderr. As JSON, it is one object per line on stdout.

import type { DataEvent, Exit, GapEvent, OutputEvent, RemoteProcess } from "../../client/index.ts";

/**
 * Call the methods that return a promise one after the other; the others may be called at any time. The promises resolve
 * when the stream has accepted the bytes, and reject as writeOut does.
 */
export interface Report {
  attached(process: RemoteProcess, how: { readonly isRaw: boolean; readonly keys: string }): Promise<void>;
  data(event: DataEvent): Promise<void>;
  gap(event: GapEvent): Promise<void>;
  /** See ConnectionListener. */
  lost(reason: string, wasUp: boolean): void;
  /** The agent has ended. The command continues to try. */
  gone(reason: string): void;
  /** Connected again; the output continues at `offset`. */
  back(offset: number, wasUp: boolean): void;
  /** Another problem; the process continues. */
  problem(message: string): void;
  /** The agent ends; the process gets `graceMs` to end by itself. */
  stopping(reason: string, graceMs: number): void;
  /** Repeats the notice of `stopping` when the screen no longer shows it. Call it after the process has ended. */
  stopped?(reason: string): void;
  detached(how: Detached): void;
  ended(exit: Exit): Promise<void>;
}

/** The user left the process. */
export interface Detached {
  readonly pid: number;
  /** The known state of the process: `ending` with its agent; `unknown` while the agent cannot be reached. */
  readonly fate: "running" | "ended" | "ending" | "unknown";
  /** The offset of the first byte that was not reported. */
  readonly offset: number;
  /** The command that continues there. */
  readonly command: string;
}

export async function reportEvent(report: Report, event: OutputEvent): Promise<void> {
  if (event.kind === "gap") await report.gap(event);
  else await report.data(event);
}

/** The reader of stdout or stderr is gone: EPIPE. */
export class ReaderGoneError extends Error {
  override readonly name = "ReaderGoneError";
}

/** Writing failed for another reason, which the user has to know: a full disk. */
export class WriteError extends Error {
  override readonly name = "WriteError";
}

/**
 * Resolves when `stream`, stdout or stderr, has accepted all of `data`, so that a caller that waits is as slow as the
 * reader. Rejects with one of the errors above.
 */
export function writeOut(stream: NodeJS.WriteStream, data: Uint8Array | string): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(data, (error) => {
      if (error === null || error === undefined) resolve();
      else if (Reflect.get(error, "code") === "EPIPE") reject(new ReaderGoneError());
      else reject(new WriteError(`output is lost: ${error.message}`));
    });
  });
}
