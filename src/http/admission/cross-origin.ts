// Requests from web pages: refused unless the page's origin is allowed. Browsers send Origin with every
// request to another server, except simple reads whose answer they hide from the page. CORS alone would
// only hide the answers: a page could still start commands.

import { cors } from "@connectrpc/connect";
import { type NodeRequest, type NodeResponse, pathOf } from "../exchange.ts";

const ALLOWED_HEADERS = [
  ...cors.allowedHeaders,
  "Authorization",
  "X-Access-Token",
  "Keepalive-Ping-Interval",
].join(", ");
const EXPOSED_HEADERS = cors.exposedHeaders.join(", ");
const ALLOWED_METHODS = cors.allowedMethods.join(", ");
/** The headers of answers about files that a page may read. */
const FILE_EXPOSED_HEADERS = [
  "Content-Disposition",
  "Content-Encoding",
  "Content-Length",
  "Content-Range",
  "ETag",
  "Last-Modified",
  "Location",
  "Upload-Complete",
  "Upload-Offset",
].join(", ");
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
    addHeaders: (request, response) => {
      const { origin } = request.headers;
      if (allowed.size > 0) response.setHeader("Vary", "Origin");
      if (origin === undefined) return;
      response.setHeader("Access-Control-Allow-Origin", origin);
      const exposed = isForFiles(request) ? FILE_EXPOSED_HEADERS : EXPOSED_HEADERS;
      response.setHeader("Access-Control-Expose-Headers", exposed);
    },
  };
}

/** Allows the page to use a signed URL. For requests and preflights whose signature is right. */
export function addSignedHeaders({ headers: { origin = "" } }: NodeRequest, response: NodeResponse): void {
  response.setHeader("Vary", "Origin");
  response.setHeader("Access-Control-Allow-Origin", origin);
  response.setHeader("Access-Control-Expose-Headers", FILE_EXPOSED_HEADERS);
}

/** A browser's question before a request from a page. It carries no token. */
export function isPreflight({ method, headers }: NodeRequest): boolean {
  return method === "OPTIONS" && headers.origin !== undefined && "access-control-request-method" in headers;
}

/** For an admitted origin, after `addHeaders`. */
export function answerPreflight(request: NodeRequest, response: NodeResponse): void {
  const { headers } = request;
  // Chrome asks this when a page of a public site calls a server in a private network.
  const toPrivate = headers["access-control-request-private-network"] === "true";
  // Metadata of a file is in headers of any name, X-Metadata-….
  const asked = headers["access-control-request-headers"];
  response.writeHead(204, {
    "Access-Control-Allow-Methods": methodsOf(pathOf(request)),
    "Access-Control-Allow-Headers": isForFiles(request) && asked !== undefined ? asked : ALLOWED_HEADERS,
    "Access-Control-Max-Age": MAX_AGE_SECONDS,
    ...(toPrivate ? { "Access-Control-Allow-Private-Network": "true" } : {}),
  });
  response.end();
}

function methodsOf(path: string): string {
  if (path === "/files") return "GET, HEAD, POST";
  return path.startsWith("/files/") ? "GET, HEAD, POST, PATCH, DELETE" : ALLOWED_METHODS;
}

function isForFiles(request: NodeRequest): boolean {
  return pathOf(request) === "/files" || pathOf(request).startsWith("/files/");
}
