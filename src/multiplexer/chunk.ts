// One piece of a process's output as the agent read it: which stream, where it begins, its bytes.

/** Where output was read from. A process on a pty has only `pty`, one on pipes never has it. */
export type OutputStream = "stdout" | "stderr" | "pty";

/**
 * A position in the process's output: bytes since its start, all streams counted together in the order the
 * agent read them. A number, so exact to 2^53 bytes (9 PB).
 */
export type Offset = number & { readonly __brand: "Offset" };

export function offset(bytes: number): Offset {
  return bytes as Offset;
}

/**
 * `data` covers `[offset, offset + data.length)` and does not change from when a subscriber has read it until that has taken it
 * (Subscriber.taken), or for ever if it left before: then its buffer may be used again.
 * `frames` belongs to whoever encodes chunks, keyed as they like: what is kept there is made once, shared by all
 * subscribers, and lives exactly as long as the chunk. The multiplexer never looks at it.
 */
export interface Chunk {
  readonly stream: OutputStream;
  readonly offset: Offset;
  readonly data: Buffer;
  frames: Map<string, readonly (Buffer | string)[]> | undefined;
}

export function chunkEnd(chunk: Chunk): Offset {
  return offset(chunk.offset + chunk.data.length);
}
