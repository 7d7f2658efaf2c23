// Errors of the Connect protocol: in the body of a unary answer, in the last message of a stream, or as an HTTP status.

import { clip } from "../../text.ts";
import type { ClientErrorCode } from "../client-errors.ts";
import { AnswerError, type ErrorDetail } from "./answer-error.ts";
import type { HttpAnswer } from "./http-client.ts";

type Json = Readonly<Record<string, unknown>>;

/** A unary answer with another status than 200. */
export function answeredError(body: Uint8Array, answer: HttpAnswer): AnswerError {
  const byStatus = statusError(answer);
  // A proxy answers with a page.
  return errorIn(parse(body), byStatus) ?? byStatus;
}

/** For an answer whose body says nothing. */
export function statusError(answer: HttpAnswer): AnswerError {
  const { status } = answer;
  const code = statusCodes[status] ?? (isUnreached(status) ? "unavailable" : "unknown");
  return new AnswerError(code, statusText(answer), {
    metadata: { get: (name) => answer.header(name) ?? null },
  });
}

/** Whether a proxy says that the agent did not answer it: a request that was late, or Cloudflare's own statuses. */
export function isUnreached(status: number): boolean {
  return status === 408 || (status >= 520 && status <= 530);
}

/** Without the body, which says nothing. */
export function statusText({ status, header }: Pick<HttpAnswer, "status" | "header">): string {
  const target = header("Location");
  if (status < 300 || status > 399 || target === undefined) return `HTTP ${status}`;
  return `HTTP ${status}, a redirect to "${clip(target)}": give the client the address of the agent itself`;
}

/** See "HTTP to error code" of the protocol. */
const statusCodes: Readonly<Record<number, ClientErrorCode>> = {
  400: "internal",
  401: "unauthenticated",
  403: "permission_denied",
  404: "unimplemented",
  429: "unavailable",
  502: "unavailable",
  503: "unavailable",
  504: "unavailable",
};

/** The last message of a stream. */
export class EndOfStream {
  readonly error: AnswerError | undefined;

  /** Throws when `data` are not such a message. */
  constructor(data: Uint8Array, answer: HttpAnswer) {
    const end = parse(data);
    if (end === undefined) throw new Error("the last message of the stream is not JSON");
    const { error } = end;
    if (error === undefined || error === null) return;
    const metadata = { get: (name: string) => trailer(end, name) ?? answer.header(name) ?? null };
    const unknown = new AnswerError("unknown", "invalid end of the stream", { metadata });
    this.error = isObject(error) ? (errorIn(error, unknown) ?? unknown) : unknown;
  }
}

function trailer({ metadata }: Json, name: string): string | undefined {
  if (!isObject(metadata)) return undefined;
  const values = Object.entries(metadata).flatMap(([key, value]) =>
    key.toLowerCase() === name.toLowerCase() && Array.isArray(value) ? value : [],
  );
  return values.length === 0 ? undefined : values.join(", ");
}

/** `otherwise` has its headers, and its code if this client does not know the code. */
function errorIn(json: Json | undefined, otherwise: AnswerError): AnswerError | undefined {
  if (json === undefined) return undefined;
  const { code, message = "", details } = json;
  if (typeof message !== "string") return undefined;
  return new AnswerError(isCode(code) ? code : otherwise.code, message, {
    metadata: otherwise.metadata,
    details: Array.isArray(details) ? details.flatMap(detailIn) : [],
  });
}

function detailIn(detail: unknown): ErrorDetail[] {
  if (!isObject(detail)) return [];
  const { type, value } = detail;
  if (typeof type !== "string" || typeof value !== "string") return [];
  try {
    return [{ type, value: Uint8Array.from(atob(value), (character) => character.charCodeAt(0)) }];
  } catch {
    // A malformed detail is ignored, as an unknown one is.
    return [];
  }
}

function isCode(code: unknown): code is ClientErrorCode {
  return typeof code === "string" && codes.has(code);
}

const codes: ReadonlySet<string> = new Set<ClientErrorCode>([
  ...([
    "canceled",
    "unknown",
    "invalid_argument",
    "deadline_exceeded",
    "not_found",
    "already_exists",
  ] as const),
  ...(["permission_denied", "resource_exhausted", "failed_precondition", "aborted", "out_of_range"] as const),
  ...(["unimplemented", "internal", "unavailable", "data_loss", "unauthenticated"] as const),
]);

function parse(bytes: Uint8Array): Json | undefined {
  try {
    const json: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return isObject(json) ? json : undefined;
  } catch {
    // Not JSON: the caller says what that means.
    return undefined;
  }
}

function isObject(json: unknown): json is Json {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}
