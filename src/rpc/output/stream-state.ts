// Streams of output on plain HTTP/1.1 as plain data: the next image of the agent continues them, in the middle of a
// frame if need be (src/handover). Fields are only added; a field keeps its name and its meaning.

import type { ConnectionState } from "../../http/index.ts";
import type { Codec } from "./event-frames.ts";

/** The options of a stream's client. */
export interface StreamTerms {
  /** A Start ends with an error when its process is killed at its time limit. */
  readonly isStart: boolean;
  readonly protocol: string;
  readonly codec: Codec;
  readonly offsets: boolean;
  readonly times: boolean;
  readonly terminal: boolean;
  readonly isObserver: boolean;
  readonly isEndOnly: boolean;
  readonly notices: boolean;
  readonly sizes?: boolean | undefined;
  readonly keepaliveMs: number;
  /** When a Connect ends by its own time limit, as a lasting time. */
  readonly dueAtMs?: number | undefined;
  /** See Grant. Undefined: the access token, or none. The stream ends with its token. */
  readonly grantKey?: string | undefined;
}

/** How far a stream is. */
export interface StreamPlace {
  readonly deliveredTo: number;
  readonly readTo: number;
  /** Of an end-only stream: up to here its client knows the gaps. */
  readonly skippedTo: number;
  /** Whether its client has not been sent the present size of the terminal. */
  readonly isSizeDue?: boolean | undefined;
  /** The rest of the frame that the connection has not accepted. */
  readonly unsent: Buffer;
}

export interface StreamState extends StreamTerms, StreamPlace, ConnectionState {
  readonly processId: string;
}
