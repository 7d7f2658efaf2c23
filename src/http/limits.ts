// The limits of connections, and their defaults. The flags take their numbers from here.

export interface HttpLimits {
  /**
   * Calls that stay open, in the whole agent. One HTTP/2 connection may have as many streams, and
   * some more for short calls.
   */
  readonly maxStreams: number;
  /** The time limit for each of: a connection's first bytes, its TLS handshake, a request's headers. */
  readonly headersMs: number;
  /** All headers of one request. */
  readonly maxHeaderBytes: number;
  /** Connections without a request; above this number, the server closes the longest idle one. */
  readonly maxIdleConnections: number;
  /**
   * How long a connection may be idle between two requests. Longer than the proxies in front: E2B's
   * keeps a connection for 600 s, and one that the agent closes first fails the proxy's next request.
   */
  readonly idleConnectionMs: number;
}

export const DEFAULT_HTTP_LIMITS: HttpLimits = {
  maxStreams: 4096,
  headersMs: 10_000,
  maxHeaderBytes: 16 * 1024,
  maxIdleConnections: 1024,
  idleConnectionMs: 650_000,
};
