// Requests to the file endpoints, over Node's HTTP client: fetch hides compression and adds headers of its own.

import { type IncomingHttpHeaders, request } from "node:http";

export interface FileAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly trailers: NodeJS.Dict<string>;
}

export interface FileCall {
  readonly method?: string;
  /** Default: /files. */
  readonly path?: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
}

export function callFiles(port: number, call: FileCall): Promise<FileAnswer> {
  const query = new URLSearchParams(call.query).toString();
  const path = `${call.path ?? "/files"}${query === "" ? "" : `?${query}`}`;
  return new Promise((resolve, reject) => {
    const { method = "GET", headers = {}, body } = call;
    const length = body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) };
    const sent = request({ port, host: "127.0.0.1", method, path, headers: { ...length, ...headers } });
    sent.on("error", reject);
    sent.on("response", (response) => {
      const pieces: Buffer[] = [];
      response.on("data", (piece: Buffer) => pieces.push(piece));
      response.on("error", reject);
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(pieces),
          trailers: response.trailers,
        }),
      );
    });
    sent.end(body);
  });
}

/** A raw upload. */
export function putFile(
  port: number,
  path: string,
  body: Uint8Array | string,
  more: { readonly query?: Record<string, string>; readonly headers?: Record<string, string> } = {},
): Promise<FileAnswer> {
  return callFiles(port, {
    method: "POST",
    query: { path, ...more.query },
    headers: { "content-type": "application/octet-stream", ...more.headers },
    body,
  });
}

export function getFile(
  port: number,
  path: string,
  headers: Record<string, string> = {},
  query: Record<string, string> = {},
): Promise<FileAnswer> {
  return callFiles(port, { query: { path, ...query }, headers });
}

export function messageIn({ body }: FileAnswer): string {
  return (JSON.parse(body.toString()) as { message: string }).message;
}
