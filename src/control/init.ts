// POST /init: an orchestrator tells the agent what its commands get by default, and which token clients bring from now on. The
// fields and their rules are envd's; what envd does beyond (setting the clock, mounting volumes, writing /etc/hosts) this agent
// does not, and ignores the fields for it.

import { HoldfastError } from "../errors.ts";
import type { AccessToken } from "../http/index.ts";
import type { Logger } from "../logger.ts";
import type { AgentDefaults } from "../process/index.ts";
import { isUsableToken } from "../token-format.ts";

interface InitRequest {
  readonly envVars: Readonly<Record<string, string>> | undefined;
  readonly accessToken: string | undefined;
  readonly defaultUser: string | undefined;
  readonly defaultWorkdir: string | undefined;
  /** Nanoseconds since the epoch. */
  readonly timestamp: bigint | undefined;
}

export interface InitializationOptions {
  readonly defaults: AgentDefaults;
  readonly token: AccessToken;
  readonly logger: Logger;
}

export class Initialization {
  readonly #options: InitializationOptions;
  /** Of the newest request that was applied. */
  #newest: bigint | undefined;

  constructor(options: InitializationOptions) {
    this.#options = options;
  }

  /**
   * All of `body`, or nothing: throws `invalid_argument` naming the field, or `unauthenticated` where a token is set already and
   * neither the body nor `headerToken` is that. A request that is not newer than the newest before changes nothing.
   */
  apply(body: string, headerToken: string | undefined): void {
    const request = parse(body);
    const { defaults, token, logger } = this.#options;
    assertMay(request, headerToken, token);
    const { timestamp, envVars, accessToken, defaultUser, defaultWorkdir } = request;
    if (timestamp !== undefined) {
      if (this.#newest !== undefined && timestamp <= this.#newest) return;
      this.#newest = timestamp;
    }
    if (accessToken !== undefined) token.set(accessToken);
    if (envVars !== undefined) defaults.environment = envVars;
    if (defaultUser !== undefined) defaults.user = defaultUser;
    if (defaultWorkdir !== undefined) defaults.workdir = defaultWorkdir;
    const variables = Object.keys(defaults.environment).length;
    const { user, workdir } = defaults;
    logger.info({ variables, user, workdir, token: token.isSet }, "initialized");
  }
}

function assertMay({ accessToken }: InitRequest, headerToken: string | undefined, token: AccessToken): void {
  if (!token.isSet) return;
  const offered = accessToken ?? headerToken;
  if (offered === undefined)
    throw new HoldfastError("unauthenticated", "accessToken: missing, and this agent was given one");
  if (!token.matches(offered))
    throw new HoldfastError("unauthenticated", "accessToken: not the one this agent was given");
}

/** An empty body asks for nothing. What it does not know it passes over, as envd does. */
function parse(body: string): InitRequest {
  const fields = body.trim() === "" ? {} : parseObject(body);
  return {
    envVars: variables(fields["envVars"]),
    accessToken: accessToken(fields["accessToken"]),
    defaultUser: text("defaultUser", fields["defaultUser"]),
    defaultWorkdir: text("defaultWorkdir", fields["defaultWorkdir"]),
    timestamp: nanoseconds(fields["timestamp"]),
  };
}

function parseObject(body: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    // Its own message quotes the body, and the body holds secrets.
    throw invalid("the body is no JSON");
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
      throw invalid(`envVars: a name must not be empty or hold "=" or NUL: ${JSON.stringify(name)}`);
    if (content.includes("\0")) throw invalid(`envVars: ${JSON.stringify(name)} holds a NUL`);
    return [name, content];
  });
  // Which takes "__proto__" for a name like any other.
  return Object.fromEntries(checked);
}

function accessToken(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "string" && isUsableToken(value)) return value;
  throw invalid("accessToken: must be letters, digits and signs without blanks");
}

/** Empty is as good as missing. */
function text(field: string, value: unknown): string | undefined {
  if (value === undefined || value === null || value === "") return undefined;
  if (typeof value !== "string") throw invalid(`${field}: must be a string`);
  if (value.includes("\0")) throw invalid(`${field}: holds a NUL`);
  return value;
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

/** Date.parse takes the 30th of February for the 2nd of March, and 24:00:00 for the next day. */
function isRealTime(utc: string): boolean {
  return new Date(`${utc}Z`).toISOString().startsWith(utc);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function invalid(message: string): HoldfastError {
  return new HoldfastError("invalid_argument", message);
}
