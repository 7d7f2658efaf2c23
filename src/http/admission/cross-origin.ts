// What web pages may do here: nothing, unless their origin was named. A browser says where a page is from with each request
// the page makes of another server, but for mere reads whose answer it does not show; without an answer the page may read
// (CORS), it could still act.

import { cors } from "@connectrpc/connect";
import type { NodeRequest, NodeResponse } from "../exchange.ts";

const ALLOWED_HEADERS = [
  ...cors.allowedHeaders,
  "Authorization",
  "X-Access-Token",
  "Keepalive-Ping-Interval",
].join(", ");
const EXPOSED_HEADERS = cors.exposedHeaders.join(", ");
const ALLOWED_METHODS = cors.allowedMethods.join(", ");
/** Browsers ask again after at most two hours, whatever they are told. */
const MAX_AGE_SECONDS = "7200";

export interface CrossOrigin {
  /** Whether the request is no page's, or that of a page whose origin was named. */
  admits(request: NodeRequest): boolean;
  /** Lets the page read whatever the answer will be. To be called before the response begins, for what is admitted. */
  mark(request: NodeRequest, response: NodeResponse): void;
}

/** `origins` as browsers write them, `https://app.example.com`; `*` stands for all. */
export function createCrossOrigin(origins: readonly string[]): CrossOrigin {
  const named = new Set(origins);
  return {
    admits: ({ headers: { origin } }) => origin === undefined || named.has(origin) || named.has("*"),
    mark: ({ headers: { origin } }, response) => {
      if (named.size > 0) response.setHeader("Vary", "Origin");
      if (origin === undefined) return;
      response.setHeader("Access-Control-Allow-Origin", origin);
      response.setHeader("Access-Control-Expose-Headers", EXPOSED_HEADERS);
    },
  };
}

/** A browser's question whether a page may send what it is about to. It carries no token. */
export function isPreflight({ method, headers }: NodeRequest): boolean {
  return method === "OPTIONS" && headers.origin !== undefined && "access-control-request-method" in headers;
}

/** For an origin that is admitted, and a response that is marked. */
export function answerPreflight({ headers }: NodeRequest, response: NodeResponse): void {
  // Asked by pages of public sites for servers in private networks.
  const toPrivate = headers["access-control-request-private-network"] === "true";
  response.writeHead(204, {
    "Access-Control-Allow-Methods": ALLOWED_METHODS,
    "Access-Control-Allow-Headers": ALLOWED_HEADERS,
    "Access-Control-Max-Age": MAX_AGE_SECONDS,
    ...(toPrivate ? { "Access-Control-Allow-Private-Network": "true" } : {}),
  });
  response.end();
}
