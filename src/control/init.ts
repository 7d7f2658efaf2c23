// POST /init: an orchestrator sets the defaults of commands and the access token. The fields and their rules are envd's.
// This agent does not set the clock, mount volumes or write /etc/hosts; it logs the fields for these and ignores them.

import { HoldfastError } from "../errors.ts";
import type { Credentials, NodeRequest } from "../http/index.ts";
import { addKernelEntropy } from "../linux/index.ts";
import type { Logger } from "../logger.ts";
import type { AgentDefaults } from "../process/index.ts";
import { clip, lengthProblem } from "../text.ts";
import { isUsableToken } from "../token-format.ts";

interface InitRequest {
  readonly envVars: Readonly<Record<string, string>> | undefined;
  readonly accessToken: string | undefined;
  readonly defaultUser: string | undefined;
  readonly defaultWorkdir: string | undefined;
  /** Nanoseconds since the epoch. */
  readonly timestamp: bigint | undefined;
  /** Names this life of the machine; a restored or cloned one gets another. */
  readonly lifecycleID: string | undefined;
  /** Random bytes for the kernel, so that clones differ from now on. */
  readonly entropy: Buffer | undefined;
  /** The names of the fields that this agent does not know. */
  readonly unknownFields: readonly string[];
}

/** For src/handover. */
export interface InitializationState {
  readonly newest?: string | undefined;
  readonly lifecycleID?: string | undefined;
}

export interface InitializationOptions {
  readonly defaults: AgentDefaults;
  readonly credentials: Credentials;
  readonly logger: Logger;
  /** Called when a request names another life of the machine than the last one. */
  readonly onNewLifecycle: (asking: NodeRequest) => void;
  /** The state that another image of this agent has applied. */
  readonly saved?: InitializationState | undefined;
}

export class Initialization {
  readonly #options: InitializationOptions;
  /** The timestamp of the newest request that was applied. */
  #newest: bigint | undefined;
  #lifecycleID: string | undefined;

  constructor(options: InitializationOptions) {
    this.#options = options;
    const { newest, lifecycleID } = options.saved ?? {};
    this.#newest = newest === undefined ? undefined : BigInt(newest);
    this.#lifecycleID = lifecycleID;
  }

  save(): InitializationState {
    return { newest: this.#newest?.toString(), lifecycleID: this.#lifecycleID };
  }

  /**
   * Applies all of `body` or nothing. Throws `invalid_argument` with the name of the field, or `unauthenticated` if a token
   * is set and neither the body nor `headerToken` has it. A request that is not newer than the newest before changes
   * nothing.
   */
  apply(body: string, headerToken: string | undefined, asking: NodeRequest): void {
    const request = parse(body);
    const { defaults, credentials, logger } = this.#options;
    assertMay(request, headerToken, credentials);
    const token = credentials.accessToken;
    const {
      timestamp,
      envVars,
      accessToken,
      defaultUser,
      defaultWorkdir,
      lifecycleID,
      entropy,
      unknownFields,
    } = request;
    if (timestamp !== undefined) {
      if (this.#newest !== undefined && timestamp <= this.#newest) return;
      this.#newest = timestamp;
    }
    if (lifecycleID !== undefined && lifecycleID !== this.#lifecycleID) {
      this.#lifecycleID = lifecycleID;
      // Before anything is drawn from the kernel in the new life.
      if (entropy !== undefined && !addKernelEntropy(entropy))
        logger.warn({}, "entropy of /init not used: no permission to add it to the kernel");
      this.#options.onNewLifecycle(asking);
    }
    if (accessToken !== undefined) token.set(accessToken);
    if (envVars !== undefined) defaults.environment = envVars;
    if (defaultUser !== undefined) defaults.user = defaultUser;
    if (defaultWorkdir !== undefined) defaults.workdir = defaultWorkdir;
    const variables = Object.keys(defaults.environment).length;
    const { user, workdir } = defaults;
    logger.info({ variables, user, workdir, token: token.isSet }, "initialized");
    if (unknownFields.length > 0)
      logger.warn({ fields: unknownFields.map(clip) }, "unknown fields of POST /init are ignored");
  }
}

function assertMay(
  { accessToken }: InitRequest,
  headerToken: string | undefined,
  credentials: Credentials,
): void {
  const replaced = credentials.accessToken;
  if (accessToken !== undefined && replaced.isSet) {
    if (replaced.matches(accessToken)) return;
    throw new HoldfastError("unauthenticated", "accessToken: not the one of this agent");
  }
  const verdict = credentials.verdictOnToken(headerToken);
  if (verdict.kind === "missing")
    throw new HoldfastError("unauthenticated", "accessToken: missing; this agent has one");
  if (verdict.kind !== "granted")
    throw new HoldfastError("unauthenticated", "accessToken: not the one of this agent");
  if (!verdict.grant.covers("admin") || verdict.grant.processes !== undefined)
    throw new HoldfastError(
      "permission_denied",
      "X-Access-Token: its scope must be admin, for all processes",
    );
}

/** An empty body changes nothing. */
function parse(body: string): InitRequest {
  const fields = body.trim() === "" ? {} : parseObject(body);
  return {
    envVars: variables(fields["envVars"]),
    accessToken: accessToken(fields["accessToken"]),
    defaultUser: text("defaultUser", fields["defaultUser"]),
    defaultWorkdir: text("defaultWorkdir", fields["defaultWorkdir"]),
    timestamp: nanoseconds(fields["timestamp"]),
    lifecycleID: limited("lifecycleID", text("lifecycleID", fields["lifecycleID"])),
    entropy: entropy(fields["entropy"]),
    unknownFields: Object.keys(fields)
      .filter((name) => !knownFields.has(name))
      .slice(0, MAX_LOGGED_FIELDS),
  };
}

const knownFields = new Set([
  "envVars",
  "accessToken",
  "defaultUser",
  "defaultWorkdir",
  "timestamp",
  "lifecycleID",
  "entropy",
]);
const MAX_LOGGED_FIELDS = 20;

function parseObject(body: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    // The message of JSON.parse quotes the body, and the body holds secrets.
    throw invalid("the body is not JSON");
  }
  if (isObject(value)) return value;
  throw invalid("the body must be a JSON object");
}

function variables(value: unknown): Record<string, string> | undefined {
  if (value === undefined || value === null) return undefined;
  if (!isObject(value)) throw invalid("envVars: must be an object of strings");
  const checked = Object.entries(value).map(([name, content]): [string, string] => {
    if (typeof content !== "string") throw invalid(`envVars: ${JSON.stringify(name)} must be a string`);
    if (name === "" || /[=\0]/.test(name))
      throw invalid(`envVars: a name must not be empty or contain "=" or NUL: ${JSON.stringify(name)}`);
    if (content.includes("\0")) throw invalid(`envVars: ${JSON.stringify(name)} contains a NUL`);
    return [name, content];
  });
  // Object.fromEntries treats "__proto__" as an ordinary name.
  return Object.fromEntries(checked);
}

function accessToken(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "string" && isUsableToken(value)) return value;
  throw invalid("accessToken: must be letters, digits and punctuation without spaces");
}

/** Linux's limit for paths; user names are shorter. */
const MAX_TEXT_LENGTH = 4096;

/** An empty text is the same as a missing one. */
function text(field: string, value: unknown): string | undefined {
  if (value === undefined || value === null || value === "") return undefined;
  if (typeof value !== "string") throw invalid(`${field}: must be a string`);
  if (value.includes("\0")) throw invalid(`${field}: contains a NUL`);
  const problem = lengthProblem(value, { most: MAX_TEXT_LENGTH, least: 0 });
  if (problem !== undefined) throw invalid(`${field}: ${problem}`);
  return value;
}

function limited(field: string, value: string | undefined): string | undefined {
  const problem = value === undefined ? undefined : lengthProblem(value, { most: MAX_ID_LENGTH, least: 0 });
  if (problem !== undefined) throw invalid(`${field}: ${problem}`);
  return value;
}

const MAX_ID_LENGTH = 256;
const MAX_ENTROPY_BYTES = 512;

function entropy(value: unknown): Buffer | undefined {
  const base64 = text("entropy", value);
  if (base64 === undefined) return undefined;
  const bytes = Buffer.from(base64, "base64");
  if (bytes.length === 0 || bytes.length > MAX_ENTROPY_BYTES || bytes.toString("base64") !== base64)
    throw invalid(`entropy: must be 1 to ${MAX_ENTROPY_BYTES} bytes in base64`);
  return bytes;
}

const RFC3339 = /^(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d\d:\d\d)$/;

function nanoseconds(value: unknown): bigint | undefined {
  if (value === undefined || value === null) return undefined;
  const [, date, time, fraction = "", zone] = (typeof value === "string" && RFC3339.exec(value)) || [];
  const ms = Date.parse(`${date}T${time}${zone?.toUpperCase()}`);
  if (Number.isNaN(ms) || !isRealTime(`${date}T${time}`))
    throw invalid(`timestamp: must be as in RFC 3339: ${JSON.stringify(value).slice(0, 100)}`);
  return BigInt(ms) * 1_000_000n + BigInt(fraction.padEnd(9, "0"));
}

/** False for times that Date.parse accepts by mistake: February 30 (as March 2) and 24:00:00 (as the next day). */
function isRealTime(utc: string): boolean {
  return new Date(`${utc}Z`).toISOString().startsWith(utc);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function invalid(message: string): HoldfastError {
  return new HoldfastError("invalid_argument", message);
}
