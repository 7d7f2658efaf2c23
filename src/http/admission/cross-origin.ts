// Requests from web pages: refused unless the page's origin is allowed. Browsers send Origin with every
// request to another server, except simple reads whose answer they hide from the page. CORS alone would
// only hide the answers: a page could still start commands.

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
/** Two hours: browsers do not cache the answer for longer. */
const MAX_AGE_SECONDS = "7200";

export interface CrossOrigin {
  /** True for a request that is not from a page, or is from a page whose origin is allowed. */
  admits(request: NodeRequest): boolean;
  /** Allows the page to read the answer. For admitted requests, before the response begins. */
  addHeaders(request: NodeRequest, response: NodeResponse): void;
}

/** `origins` are as in the Origin header (`https://app.example.com`); `*` allows all. */
export function createCrossOrigin(origins: readonly string[]): CrossOrigin {
  const allowed = new Set(origins);
  return {
    admits: ({ headers: { origin } }) => origin === undefined || allowed.has(origin) || allowed.has("*"),
    addHeaders: ({ headers: { origin } }, response) => {
      if (allowed.size > 0) response.setHeader("Vary", "Origin");
      if (origin === undefined) return;
      response.setHeader("Access-Control-Allow-Origin", origin);
      response.setHeader("Access-Control-Expose-Headers", EXPOSED_HEADERS);
    },
  };
}

/** A browser's question before a request from a page. It carries no token. */
export function isPreflight({ method, headers }: NodeRequest): boolean {
  return method === "OPTIONS" && headers.origin !== undefined && "access-control-request-method" in headers;
}

/** For an admitted origin, after `addHeaders`. */
export function answerPreflight({ headers }: NodeRequest, response: NodeResponse): void {
  // Chrome asks this when a page of a public site calls a server in a private network.
  const toPrivate = headers["access-control-request-private-network"] === "true";
  response.writeHead(204, {
    "Access-Control-Allow-Methods": ALLOWED_METHODS,
    "Access-Control-Allow-Headers": ALLOWED_HEADERS,
    "Access-Control-Max-Age": MAX_AGE_SECONDS,
    ...(toPrivate ? { "Access-Control-Allow-Private-Network": "true" } : {}),
  });
  response.end();
}
