// Who gets in: stands before everything else, and looks at a request's headers only. Whom it turns away has had nothing
// parsed, looked up or started.

import { Code } from "@connectrpc/connect";
import { clip } from "../../text.ts";
import { headerReader, type NodeRequest, pathOf, type RequestListener } from "../exchange.ts";
import { type AccessToken, offeredToken } from "./access-token.ts";
import { answerPreflight, createCrossOrigin, isPreflight } from "./cross-origin.ts";
import { createHostCheck, hostsOf } from "./host-check.ts";
import { type Refusal, refuse } from "./refusal.ts";

/** Is called with each refusal and the request it answers, before the answer is sent. */
export type ReportRefusal = (refusal: Refusal, request: RefusedRequest) => void;

export interface RefusedRequest {
  readonly method: string | undefined;
  readonly path: string;
  /** The address of the client; "local" on a Unix socket. */
  readonly peer: string;
}

export interface AdmissionOptions {
  /** Asked for each request anew: it may be set at any time. */
  readonly token: AccessToken;
  /** See createHostCheck. Undefined where no browser can come from: then any Host will do. */
  readonly hosts: readonly string[] | undefined;
  /** See createCrossOrigin. */
  readonly origins: readonly string[];
  /** Of all headers of a request together, names and values. */
  readonly maxHeaderBytes: number;
  readonly onRefused?: ReportRefusal | undefined;
}

/** `listener` is called with what is admitted. */
export function admit(options: AdmissionOptions, listener: RequestListener): RequestListener {
  const crossOrigin = createCrossOrigin(options.origins);
  const checkSize = sizeCheck(options.maxHeaderBytes);
  const checkHost = hostCheck(options.hosts);
  const checkOrigin = (request: NodeRequest) =>
    crossOrigin.admits(request) ? undefined : foreignOrigin(request);
  const checkToken = (request: NodeRequest) =>
    isHealthCheck(request) || isInit(request) ? undefined : tokenRefusal(request, options.token);
  return (request, response) => {
    const stranger = checkSize(request) ?? checkHost(request) ?? checkOrigin(request);
    if (stranger === undefined) {
      crossOrigin.mark(request, response);
      if (isPreflight(request)) return answerPreflight(request, response);
    }
    const refusal = stranger ?? checkToken(request);
    if (refusal === undefined) return listener(request, response);
    const { method } = request;
    options.onRefused?.(refusal, { method, path: clip(pathOf(request)), peer: peerOf(request) });
    refuse(request, response, refusal);
  };
}

/** Over HTTP/1.1 Node has seen to it before. */
function sizeCheck(maxBytes: number): (request: NodeRequest) => Refusal | undefined {
  return ({ rawHeaders }) => {
    const bytes = rawHeaders.reduce((sum, text) => sum + text.length, 0);
    return bytes > maxBytes ? headerTooLarge(maxBytes) : undefined;
  };
}

function headerTooLarge(maxBytes: number): Refusal {
  const message = `the request's headers have more than ${maxBytes} bytes (--max-header)`;
  return { code: Code.ResourceExhausted, httpStatus: 431, message };
}

function hostCheck(names: readonly string[] | undefined): (request: NodeRequest) => Refusal | undefined {
  if (names === undefined) return () => undefined;
  const verdictOn = createHostCheck(names);
  return (request) => {
    const verdict = verdictOn(request);
    if (verdict === "ours") return undefined;
    const hosts = hostsOf(request)
      .map((host) => `"${clip(host)}"`)
      .join(" and ");
    if (verdict === "malformed")
      return { code: Code.InvalidArgument, httpStatus: 400, message: `Host ${hosts} is no host` };
    const message = `Host ${hosts} is no name of this agent's: name it with --allow-host if it should be`;
    return { code: Code.PermissionDenied, httpStatus: 403, message };
  };
}

function foreignOrigin({ headers: { origin = "" } }: NodeRequest): Refusal {
  const message = `Origin "${clip(origin)}" is not allowed: name it with --allow-origin if its pages may call this agent`;
  return { code: Code.PermissionDenied, httpStatus: 403, message };
}

function tokenRefusal(request: NodeRequest, token: AccessToken): Refusal | undefined {
  if (!token.isSet) return undefined;
  const offered = offeredToken(headerReader(request));
  if (offered !== undefined && token.matches(offered)) return undefined;
  const message =
    offered === undefined
      ? "no access token: send it as X-Access-Token or Authorization: Bearer"
      : "the access token is not the one this agent was given";
  const headers = { "WWW-Authenticate": "Bearer" };
  return { code: Code.Unauthenticated, httpStatus: 401, message, headers };
}

/** Says no more than that somebody is there, which whoever can ask knows already. */
function isHealthCheck(request: NodeRequest): boolean {
  return (request.method === "GET" || request.method === "HEAD") && pathOf(request) === "/health";
}

/** Brings its token in the body, where it is checked by who reads that: src/control/init.ts. */
function isInit(request: NodeRequest): boolean {
  return request.method === "POST" && pathOf(request) === "/init";
}

function peerOf({ socket }: NodeRequest): string {
  return socket?.remoteAddress ?? "local";
}
