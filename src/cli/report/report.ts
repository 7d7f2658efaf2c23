// What a person or a script is told of an attached process: its output, and what happens to the connection. As text it is
// the program's own stdout and stderr, with a line on stderr for all else; as JSON it is one object a line on stdout.
import type { DataEvent, Exit, GapEvent, RemoteProcess } from "../../client/index.ts";

/**
 * Calls come one after the other, but for those that return nothing, which may come at any time. The promises resolve
 * when what was written is taken, and reject as writeOut does.
 */
export interface Report {
  attached(process: RemoteProcess, how: { readonly isRaw: boolean; readonly keys: string }): Promise<void>;
  data(event: DataEvent): Promise<void>;
  gap(event: GapEvent): Promise<void>;
  /** See ConnectionListener. */
  lost(reason: string, wasUp: boolean): void;
  /** Connected again, and going on at `offset`. */
  back(offset: number, wasUp: boolean): void;
  /** Something else went wrong, and the process goes on. */
  trouble(message: string): void;
  detached(how: Detached): void;
  ended(exit: Exit): Promise<void>;
}

/** Left, running or not. */
export interface Detached {
  readonly pid: number;
  readonly isOver: boolean;
  /** Of the first byte that was not reported. */
  readonly offset: number;
  /** What to type to go on there. */
  readonly command: string;
}

/** Whoever read this stream has gone: EPIPE. */
export class ReaderGoneError extends Error {
  override readonly name = "ReaderGoneError";
}

/** The stream takes no more, for a reason its reader has to be told: a full disk. */
export class WriteError extends Error {
  override readonly name = "WriteError";
}

/**
 * Resolves when `stream`, stdout or stderr, has taken all of `data`: whoever waits for it is as slow as its reader. Rejects
 * with one of the errors above.
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
