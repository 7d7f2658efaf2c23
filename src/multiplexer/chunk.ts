// One piece of a process's output as the agent read it: its stream, its offset and its bytes.

/** The source of output. A process on a pty has only `pty`; a process on pipes never has it. */
export type OutputStream = "stdout" | "stderr" | "pty";

/**
 * A position in the process's output: bytes since its start, all streams counted together in the
 * order the agent read them. A number, so exact to 2^53 bytes (9 PB).
 */
export type Offset = number & { readonly __brand: "Offset" };

export function offset(bytes: number): Offset {
  return bytes as Offset;
}

/**
 * `data` covers `[offset, offset + data.length)`. It does not change from the moment a subscriber
 * reads it until that subscriber reports it delivered (Subscriber.delivered); if the subscriber
 * detaches before, it never changes. Afterwards the buffer may be reused.
 *
 * `frames` and its keys belong to the code that encodes chunks. A frame is encoded once, shared by
 * all subscribers, and lives exactly as long as the chunk. The multiplexer never reads it.
 */
export interface Chunk {
  readonly stream: OutputStream;
  readonly offset: Offset;
  readonly data: Buffer;
  frames: Map<string, readonly (Buffer | string)[]> | undefined;
  /** The producer's state before the first byte (Multiplexer.push); undefined within a piece of a chunk. */
  readonly mark?: object | undefined;
}

/** The producer's mark of a chunk that is held, see Multiplexer.markBefore. */
export interface Marked {
  /** Where the chunk begins. */
  readonly offset: Offset;
  readonly mark: object | undefined;
  /** The bytes of the chunk from `offset` on, up to the place asked for. */
  readonly before: Buffer;
}

export function chunkEnd(chunk: Chunk): Offset {
  return offset(chunk.offset + chunk.data.length);
}
