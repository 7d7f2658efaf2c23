// Signed URLs of files: `GET /files?path=…&signature=…` needs no token, because the signature
// proves that a client with the token made the URL. It covers the path, the operation, the user and
// the expiry, each as decoded from the query.
//
//   v1_ + base64(sha256(path:operation:username:token[:expiration])), without padding

import { Code } from "@connectrpc/connect";
import { HoldfastError } from "../../errors.ts";
import { clip } from "../../text.ts";
import { type NodeRequest, pathOf } from "../exchange.ts";
import { type Query, queryOf } from "../query.ts";
import type { AccessToken } from "./access-token.ts";
import type { Refusal } from "./refusal.ts";

const SIGNED_PATH = "/files";
/** The methods of signed URLs and the operation that each needs. */
const operations: Readonly<Record<string, "read" | "write">> = { GET: "read", HEAD: "read", POST: "write" };

/** Whether the request is for an endpoint that accepts signatures. For a preflight: whether the request after it is. */
export function acceptsSignature(request: NodeRequest): boolean {
  return operationOf(request) !== undefined && pathOf(request) === SIGNED_PATH;
}

/** Whether the request has a signature, right or wrong. */
export function isSigned(request: NodeRequest): boolean {
  return acceptsSignature(request) && /[?&]signature=/.test(request.url ?? "");
}

/**
 * Undefined if the signature of `request` is right and has not expired. The messages are those of envd, which clients
 * compare.
 */
export function signatureRefusal(
  request: NodeRequest,
  token: AccessToken,
  nowSeconds: number = Math.floor(Date.now() / 1000),
): Refusal | undefined {
  let query: Query;
  let expiration: string | undefined;
  let signed: readonly Buffer[];
  let signature: string;
  try {
    query = queryOf(request);
    expiration = query.text("signature_expiration");
    if (expiration === "") expiration = undefined;
    if (expiration !== undefined && !/^-?\d{1,15}$/.test(expiration)) throw notANumber(expiration);
    const parts = [query.bytes("path"), Buffer.from(operationOf(request) ?? ""), query.bytes("username")];
    signed = parts.map((part) => part ?? Buffer.alloc(0));
    signature = query.text("signature") ?? "";
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    return { code: Code.InvalidArgument, httpStatus: 400, message: error.message };
  }
  if (!token.hasSigned(signature, signed, expiration)) return refused("invalid signature");
  if (expiration !== undefined && Number(expiration) < nowSeconds)
    return refused("signature is already expired");
  return undefined;
}

function operationOf({ method, headers }: NodeRequest): "read" | "write" | undefined {
  const asked = method === "OPTIONS" ? headers["access-control-request-method"] : method;
  return typeof asked === "string" && Object.hasOwn(operations, asked) ? operations[asked] : undefined;
}

function notANumber(expiration: string): HoldfastError {
  return new HoldfastError(
    "invalid_argument",
    `signature_expiration is not a number of seconds: "${clip(expiration)}"`,
  );
}

function refused(message: string): Refusal {
  return { code: Code.Unauthenticated, httpStatus: 401, message };
}
