// The endpoints for one-time codes and sessions: POST /console/code makes a code, POST
// /console/session exchanges it for a token, GET /console/session describes a token, DELETE ends
// its session.

import { HoldfastError } from "../../errors.ts";
import {
  type Credentials,
  digestOf,
  grantOf,
  headerReader,
  type NodeRequest,
  offeredToken,
  type Scope,
} from "../../http/index.ts";
import { clip, lengthProblem } from "../../text.ts";
import { CODE_MS, type ConsoleSessions, type SessionScope } from "./sessions.ts";

export interface SessionEndpointsOptions {
  readonly sessions: ConsoleSessions;
  readonly credentials: Credentials;
  /** Of the agent: changes when it is started again, and with its generation. */
  readonly instanceId: () => string;
  readonly version: string;
}

const MAX_PROCESS_LENGTH = 256;

export class SessionEndpoints {
  readonly #options: SessionEndpointsOptions;

  constructor(options: SessionEndpointsOptions) {
    this.#options = options;
  }

  /** For tokens with the scope admin. */
  issue(body: string): object {
    const scope = toScope(body);
    const code = this.#options.sessions.issueCode(scope);
    const { process } = scope;
    return {
      code,
      expiresInSeconds: CODE_MS / 1000,
      scope: scope.scope,
      ...(process === undefined ? {} : { process }),
    };
  }

  /** Throws `unauthenticated`. */
  open(body: string): object {
    const { code } = fieldsOf(body, ["code"]);
    const opened = typeof code === "string" ? this.#options.sessions.openSession(code) : undefined;
    if (opened === undefined)
      throw new HoldfastError(
        "unauthenticated",
        "the one-time code is unknown, used or expired; holdfast console makes a new one",
      );
    const { token, grant } = opened;
    return {
      token,
      scopes: grant.scopes,
      ...(grant.processes === undefined ? {} : { processes: [...grant.processes] }),
      expiresInSeconds: secondsOf(grant.remainingMs ?? 0),
      instanceId: this.#options.instanceId(),
    };
  }

  describe(request: NodeRequest): object {
    const { scopes, processes, remainingMs } = grantOf(request);
    return {
      scopes,
      ...(processes === undefined ? {} : { processes: [...processes] }),
      ...(remainingMs === undefined ? {} : { expiresInSeconds: secondsOf(remainingMs) }),
      instanceId: this.#options.instanceId(),
      tokenRequired: this.#options.credentials.areRequired,
      version: this.#options.version,
    };
  }

  /** Only a session ends so: other tokens belong to the operator. */
  end(request: NodeRequest): void {
    const token = offeredToken(headerReader(request));
    if (token !== undefined && this.#options.sessions.end(digestOf(token))) return;
    throw new HoldfastError("invalid_argument", "the access token is not that of a console session");
  }
}

function secondsOf(ms: number): number {
  return Math.max(0, Math.floor(ms / 1000));
}

/** The links of `holdfast console`. */
const CODE_SCOPES = ["observe", "admin"] as const satisfies readonly Scope[];

function toScope(body: string): SessionScope {
  const { scope = "admin", process } = fieldsOf(body, ["scope", "process"]);
  const known = CODE_SCOPES.find((name) => name === scope);
  if (known === undefined)
    throw new HoldfastError(
      "invalid_argument",
      `scope: ${clip(JSON.stringify(scope))} is unknown; give one of ${CODE_SCOPES.join(", ")}`,
    );
  if (process === undefined || process === null) return { scope: known, process: undefined };
  const problem =
    typeof process === "string" ? lengthProblem(process, { most: MAX_PROCESS_LENGTH }) : "is not a text";
  if (typeof process === "string" && problem === undefined) return { scope: known, process };
  throw new HoldfastError("invalid_argument", `process: must be a process_id or a tag, but ${problem}`);
}

function fieldsOf(body: string, known: readonly string[]): Record<string, unknown> {
  const value = parse(body);
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new HoldfastError("invalid_argument", "the body must be a JSON object");
  const unknown = Object.keys(value).find((name) => !known.includes(name));
  if (unknown === undefined) return value as Record<string, unknown>;
  throw new HoldfastError(
    "invalid_argument",
    `the field ${clip(JSON.stringify(unknown))} is unknown; known: ${known.join(", ")}`,
  );
}

/** The message of JSON.parse quotes the body, which may hold a code. */
function parse(body: string): unknown {
  if (body.trim() === "") return {};
  try {
    return JSON.parse(body);
  } catch {
    throw new HoldfastError("invalid_argument", "the body is not JSON");
  }
}
