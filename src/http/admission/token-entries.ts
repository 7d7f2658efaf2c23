// The content of a token file. Deny by default: one unknown field, scope or value refuses the whole file, so that a
// spelling mistake never grants more than was meant.

import { HoldfastError } from "../../errors.ts";
import { clip, lengthProblem } from "../../text.ts";
import { SCOPES, type Scope } from "./grant.ts";

export interface TokenEntry {
  readonly id: string;
  /** SHA-256 of the token, in hexadecimal. */
  readonly digest: string;
  readonly scopes: readonly Scope[];
  /** process_ids and tags. */
  readonly processes: readonly string[] | undefined;
  /** Only and always with the scope run. */
  readonly users: readonly string[] | undefined;
  /** Since the epoch. */
  readonly expiresAtMs: number | undefined;
}

const MAX_TOKEN_FILE_BYTES = 1024 * 1024;
const MAX_TOKENS = 1000;
const MAX_ID_LENGTH = 100;
const MAX_NAMES = 100;
/** As long as a tag may be. */
const MAX_NAME_LENGTH = 256;

/** `{"tokens": [{"id", "hash", "scopes", "processes"?, "users"?, "expires"?}]}`. Throws `invalid_argument` with the place. */
export function parseTokenFile(text: string): readonly TokenEntry[] {
  if (Buffer.byteLength(text) > MAX_TOKEN_FILE_BYTES)
    throw invalid(`it has more than ${MAX_TOKEN_FILE_BYTES} bytes`);
  const file = objectIn("the file", parseJson(text), ["tokens"]);
  const tokens = file["tokens"];
  if (!Array.isArray(tokens)) throw invalid("tokens must be a list");
  if (tokens.length > MAX_TOKENS)
    throw invalid(`tokens has ${tokens.length} entries; the limit is ${MAX_TOKENS}`);
  const entries = tokens.map((token, index) => toEntry(`tokens[${index}]`, token));
  for (const key of ["id", "digest"] as const) {
    const values = entries.map((entry) => entry[key]);
    const repeated = values.findIndex((value, index) => values.indexOf(value) !== index);
    if (repeated >= 0)
      throw invalid(`tokens[${repeated}] has the ${key === "id" ? "id" : "hash"} of an earlier entry`);
  }
  return entries;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The message of JSON.parse quotes the text.
    throw invalid("it is not JSON");
  }
}

function toEntry(place: string, value: unknown): TokenEntry {
  const entry = objectIn(place, value, ["id", "hash", "scopes", "processes", "users", "expires"]);
  const scopes = toScopes(`${place}.scopes`, entry["scopes"]);
  const processes = toNames(`${place}.processes`, entry["processes"], "process_ids and tags");
  const users = toNames(`${place}.users`, entry["users"], "users");
  refuseContradictions(place, scopes, processes, users);
  return {
    id: shortText(`${place}.id`, entry["id"], MAX_ID_LENGTH),
    digest: toDigest(`${place}.hash`, entry["hash"]),
    scopes,
    processes,
    users,
    expiresAtMs: toTime(`${place}.expires`, entry["expires"]),
  };
}

/** What would allow less or more than it seems to. */
function refuseContradictions(
  place: string,
  scopes: readonly Scope[],
  processes: readonly string[] | undefined,
  users: readonly string[] | undefined,
): void {
  const isAdmin = scopes.includes("admin");
  const runs = scopes.includes("run");
  if (users !== undefined && (isAdmin || !runs))
    throw invalid(`${place}.users is for the scope run without admin`);
  if (!runs) return;
  if (isAdmin) throw invalid(`${place}.scopes has run beside admin, which allows it already`);
  if (users === undefined)
    throw invalid(`${place}.users is missing: the scope run needs the users that processes may run as`);
  if (processes !== undefined)
    throw invalid(`${place} has processes and the scope run; a new process cannot be one of them`);
}

function toDigest(place: string, value: unknown): string {
  const [, digest] = typeof value === "string" ? (/^sha256:([\da-f]{64})$/i.exec(value) ?? []) : [];
  if (digest === undefined)
    throw invalid(`${place} must be "sha256:" and 64 hexadecimal digits: printf %s "$TOKEN" | sha256sum`);
  return digest.toLowerCase();
}

function toScopes(place: string, value: unknown): readonly Scope[] {
  if (!Array.isArray(value) || value.length === 0) throw invalid(`${place} must be a list of scopes`);
  return value.map((scope) => {
    const known = SCOPES.find((name) => name === scope);
    if (known !== undefined) return known;
    throw invalid(
      `${place} has the unknown scope ${clip(JSON.stringify(scope))}; known: ${SCOPES.join(", ")}`,
    );
  });
}

/** An empty list is refused: it could be meant as "all". */
function toNames(place: string, value: unknown, kind: string): readonly string[] | undefined {
  if (value === undefined) return undefined;
  if (!Array.isArray(value) || value.length === 0 || value.length > MAX_NAMES)
    throw invalid(`${place} must be a list of 1 to ${MAX_NAMES} ${kind}`);
  return value.map((name, index) => shortText(`${place}[${index}]`, name, MAX_NAME_LENGTH));
}

const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/;

function toTime(place: string, value: unknown): number | undefined {
  if (value === undefined) return undefined;
  const ms = typeof value === "string" && RFC3339.test(value) ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(ms)) throw invalid(`${place} must be a time such as "2026-12-31T23:59:59Z"`);
  return ms;
}

function shortText(place: string, value: unknown, maxLength: number): string {
  if (typeof value !== "string") throw invalid(`${place} must be a text of 1 to ${maxLength} characters`);
  const problem = lengthProblem(value, { most: maxLength });
  if (problem !== undefined) throw invalid(`${place} ${problem}`);
  return value;
}

function objectIn(place: string, value: unknown, fields: readonly string[]): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw invalid(`${place} must be an object`);
  const unknown = Object.keys(value).find((name) => !fields.includes(name));
  if (unknown !== undefined)
    throw invalid(
      `${place} has the unknown field ${clip(JSON.stringify(unknown))}; known: ${fields.join(", ")}`,
    );
  return value as Record<string, unknown>;
}

function invalid(message: string): HoldfastError {
  return new HoldfastError("invalid_argument", message);
}
