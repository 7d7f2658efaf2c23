// How much of each thing clients can have at once. What is beyond is refused with `resource_exhausted`, naming the flag.

export interface ServerLimits {
  /** Start, Connect and StreamInput calls at once. */
  readonly maxStreams: number;
  /** Start and Connect calls attached to one process at once. */
  readonly maxStreamsPerProcess: number;
  /** One message's size, before and after decompression: input comes in pieces of any number. */
  readonly maxMessageBytes: number;
  /** All messages together that are being received. */
  readonly requestMemoryBytes: number;
  /** All headers of one request. */
  readonly maxHeaderBytes: number;
  /** How long a request that is one message may take to arrive. */
  readonly requestMs: number;
  /** Connections without a request; of more, those idle the longest are closed. */
  readonly maxIdleConnections: number;
  /** How long a connection may be idle between two requests: longer than usual proxies keep theirs. */
  readonly idleConnectionMs: number;
}

export const DEFAULT_LIMITS: ServerLimits = {
  maxStreams: 4096,
  maxStreamsPerProcess: 256,
  maxMessageBytes: 16 * 1024 * 1024,
  requestMemoryBytes: 128 * 1024 * 1024,
  maxHeaderBytes: 16 * 1024,
  requestMs: 60_000,
  maxIdleConnections: 1024,
  idleConnectionMs: 120_000,
};
