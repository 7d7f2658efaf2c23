// The limits of RPC calls, and their defaults. A call above a limit fails with
// `resource_exhausted`, and its message names the flag.

import { DEFAULT_HTTP_LIMITS, type HttpLimits } from "../http/limits.ts";

export interface RpcLimits extends Pick<HttpLimits, "maxStreams"> {
  /** Start and Connect calls attached to one process at once. */
  readonly maxStreamsPerProcess: number;
  /** The size of one message, before and after decompression. Input may be sent in any number of messages. */
  readonly maxMessageBytes: number;
  /** All messages together that are being received. */
  readonly requestMemoryBytes: number;
  /** How long a request with a single message may take to arrive. */
  readonly requestMs: number;
  /**
   * A silent stream gets a KeepAlive at least this often, however rarely its client asks for one: proxies
   * close silent streams after 50 s (haproxy's example) and 60 s (nginx).
   */
  readonly keepaliveMs: number;
}

export const DEFAULT_RPC_LIMITS: RpcLimits = {
  maxStreams: DEFAULT_HTTP_LIMITS.maxStreams,
  maxStreamsPerProcess: 256,
  maxMessageBytes: 16 * 1024 * 1024,
  requestMemoryBytes: 128 * 1024 * 1024,
  requestMs: 60_000,
  keepaliveMs: 20_000,
};
