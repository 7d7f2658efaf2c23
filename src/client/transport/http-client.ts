// HTTP requests that are not RPCs, such as those for the contents of files. node-http.ts and
// fetch-http.ts implement them.

export interface HttpRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PATCH" | "DELETE";
  /** Behind the agent's address, with the query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Read at the pace of the connection, where the runtime can do that. */
  readonly body?: AsyncIterable<Uint8Array> | Uint8Array | undefined;
  readonly signal: AbortSignal;
}

export interface HttpAnswer {
  readonly status: number;
  header(name: string): string | undefined;
  /** Rejects when the connection is lost. Some runtimes report a lost connection as an end: check the length. */
  readonly body: AsyncIterable<Uint8Array>;
  /** After the end of `body`. Undefined where the runtime does not show trailers. */
  trailer(name: string): string | undefined;
}

/** Sends requests to one agent. */
export interface HttpClient {
  readonly readsTrailers: boolean;
  /** Absent: the runtime decompresses bodies itself, and checks their length. */
  readonly gunzip?: (bytes: Uint8Array) => Promise<Uint8Array>;
  /** Resolves with the head of the answer. Rejects when there is none, with `invalid_argument` for headers that HTTP does not allow. */
  send(request: HttpRequest): Promise<HttpAnswer>;
}
