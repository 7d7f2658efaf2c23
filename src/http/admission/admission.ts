// The check before everything else: size of the headers, Host, Origin, access token or signature, scope. It looks only at
// a request's target and headers. For a request that it refuses, nothing is looked up or started.

import { Code } from "@connectrpc/connect";
import { clip } from "../../text.ts";
import { type NodeRequest, type NodeResponse, pathOf, type RequestListener } from "../exchange.ts";
import { type Credentials, setGrant } from "./credentials.ts";
import { addSignedHeaders, answerPreflight, createCrossOrigin, isPreflight } from "./cross-origin.ts";
import { FULL_GRANT, type Grant } from "./grant.ts";
import { endWithGrant } from "./granted-answer.ts";
import { createHostCheck, hostsOf } from "./host-check.ts";
import { type Refusal, refuse } from "./refusal.ts";
import type { Requirement, RequirementOf } from "./requirement.ts";
import { isSameOrigin } from "./same-origin.ts";
import { acceptsSignature, isSigned, signatureRefusal } from "./signature.ts";

/** Called with each refusal and the request it answers, before the answer is sent. */
export type ReportRefusal = (refusal: Refusal, request: RefusedRequest) => void;

export interface RefusedRequest {
  readonly method: string | undefined;
  readonly path: string;
  /** The address of the client; "local" on a Unix socket. */
  readonly peer: string;
}

export interface AdmissionOptions {
  /** Can change at any time. */
  readonly credentials: Credentials;
  readonly requirementOf: RequirementOf;
  /** Whether the agent serves pages itself: they may call it. */
  readonly servesPages: boolean;
  /** See createHostCheck. Undefined allows every Host: browsers cannot reach a Unix socket. */
  readonly hosts: readonly string[] | undefined;
  /** See createCrossOrigin. */
  readonly origins: readonly string[];
  /** Of all headers of a request together, names and values. */
  readonly maxHeaderBytes: number;
  readonly onRefused?: ReportRefusal | undefined;
}

/** Calls `listener` with admitted requests. */
export function admit(options: AdmissionOptions, listener: RequestListener): RequestListener {
  const crossOrigin = createCrossOrigin(options.origins);
  const checkSize = sizeCheck(options.maxHeaderBytes);
  const checkHost = hostCheck(options.hosts);
  const { credentials, requirementOf } = options;
  /** Its token decides, here or (checkToken) below. */
  const isDecidedByToken = (request: NodeRequest) => {
    if (!credentials.areRequired) return false;
    return requirementOf(request) !== "own" || credentials.verdictOn(request).kind === "granted";
  };
  const admitsOrigin = (request: NodeRequest) =>
    crossOrigin.admits(request) || (options.servesPages && isSameOrigin(request));
  /** A signed URL carries its own authority: pages of every origin may use it, and for nothing else. */
  const isForSignedUrl = (request: NodeRequest) =>
    credentials.accessToken.isSet && isSigned(request) && !admitsOrigin(request);
  const checkOrigin = (request: NodeRequest) => {
    if (isForSignedUrl(request)) return signatureRefusal(request, credentials.accessToken);
    return admitsOrigin(request) ? undefined : foreignOrigin(request);
  };
  const checkToken = (request: NodeRequest, response: NodeResponse) => {
    const requirement = requirementOf(request);
    if (requirement === "none" || requirement === "own") return undefined;
    const verdict = credentials.verdictOn(request);
    if (verdict.kind !== "granted") return tokenRefusal(request, verdict.kind, credentials);
    const { grant } = verdict;
    const refusal = scopeRefusal(grant, requirement);
    if (refusal !== undefined) return refusal;
    setGrant(request, grant);
    if (grant !== FULL_GRANT) endWithGrant(grant, response);
    return undefined;
  };
  return (request, response) => {
    // A page cannot know the token, and /health shows nothing, so a foreign Host matters for neither.
    const needsHost = !isHealthCheck(request) && !isDecidedByToken(request);
    const foreign =
      checkSize(request) ?? (needsHost ? checkHost(request) : undefined) ?? checkOrigin(request);
    if (foreign === undefined) {
      if (isForSignedUrl(request)) addSignedHeaders(request, response);
      else crossOrigin.addHeaders(request, response);
      if (isPreflight(request)) return answerPreflight(request, response);
    }
    const refusal = foreign ?? checkToken(request, response);
    if (refusal === undefined) return listener(request, response);
    const { method } = request;
    options.onRefused?.(refusal, { method, path: clip(pathOf(request)), peer: peerOf(request) });
    refuse(request, response, refusal);
  };
}

/** For HTTP/2: Node checks the size itself over HTTP/1.1. */
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
    if (verdict === "allowed") return undefined;
    const hosts = hostsOf(request)
      .map((host) => `"${clip(host)}"`)
      .join(" and ");
    if (verdict === "malformed")
      return { code: Code.InvalidArgument, httpStatus: 400, message: `Host ${hosts} is malformed` };
    const message = `Host ${hosts} is not allowed; add it with --allow-host`;
    return { code: Code.PermissionDenied, httpStatus: 403, message };
  };
}

function foreignOrigin({ headers: { origin = "" } }: NodeRequest): Refusal {
  const message = `Origin "${clip(origin)}" is not allowed; add it with --allow-origin`;
  return { code: Code.PermissionDenied, httpStatus: 403, message };
}

function tokenRefusal(
  request: NodeRequest,
  reason: "missing" | "wrong" | "expired",
  { accessToken }: Credentials,
): Refusal | undefined {
  // A wrong token is refused also beside a right signature.
  if (reason === "missing" && accessToken.isSet && isSigned(request))
    return signatureRefusal(request, accessToken);
  const missing = acceptsSignature(request)
    ? "no access token and no signature; send X-Access-Token, or sign the URL"
    : "no access token; send it as X-Access-Token or Authorization: Bearer";
  const message = {
    missing,
    wrong: "wrong access token",
    expired: "the access token has expired",
  }[reason];
  const headers = { "WWW-Authenticate": "Bearer" };
  return { code: Code.Unauthenticated, httpStatus: 401, message, headers };
}

function scopeRefusal(grant: Grant, { scope, isForProcesses }: Requirement): Refusal | undefined {
  const refused = (message: string) => ({ code: Code.PermissionDenied, httpStatus: 403, message });
  if (!grant.covers(scope))
    return refused(`the access token has the scope ${grant.scopes.join(", ")}; this request needs ${scope}`);
  if (isForProcesses || grant.processes === undefined) return undefined;
  return refused("the access token is limited to some processes; this request is about more than these");
}

/** Shows only that the agent is there, which a client that can connect knows already. */
function isHealthCheck(request: NodeRequest): boolean {
  return (request.method === "GET" || request.method === "HEAD") && pathOf(request) === "/health";
}

function peerOf({ socket }: NodeRequest): string {
  return socket?.remoteAddress ?? "local";
}
