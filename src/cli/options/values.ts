// Reads one value as a user wrote it. A wrong value throws InvalidArgumentError with a message that says which values are
// valid; commander puts the flag or variable and the value before it. The functions named …Text do the reverse.

import { readFileSync } from "node:fs";
import { isIPv6 } from "node:net";
import { InvalidArgumentError } from "commander";
import { addressText, MAX_SOCKET_PATH_BYTES, parseAgentAddress } from "../../client/agent-address.ts";
import { messageOf } from "../../text.ts";

const MS_PER_UNIT: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** Below MAX_TIMEOUT_MS of clock.ts, in whole days. */
const LONGEST_MS = 24 * 24 * 3_600_000;

/** "200ms", "1.5s", "2m", "1h", or "0". A number without a unit is refused. */
export function readDurationMs(text: string): number {
  if (text === "0") return 0;
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) ?? [];
  if (amount === undefined || unit === undefined) {
    throw new InvalidArgumentError(
      "A duration is a number and its unit (ms, s, m or h), such as 200ms, 1.5s or 2m.",
    );
  }
  const durationMs = Math.round(Number(amount) * (MS_PER_UNIT[unit] ?? 0));
  if (durationMs > LONGEST_MS) throw new InvalidArgumentError("The longest duration is 576h (24 days).");
  return durationMs;
}

/** The reverse of readDurationMs, in seconds or milliseconds: "10s", "200ms". */
export function durationText(ms: number): string {
  return ms % 1_000 === 0 ? `${ms / 1_000}s` : `${ms}ms`;
}

const BYTES_PER_UNIT: Readonly<Record<string, number>> = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };

/** "64MiB", "4096KiB", "1.5GiB", "512B", or "0". A number without a unit and units of 1000 are refused. */
export function readBytes(text: string): number {
  if (text === "0") return 0;
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(B|KiB|MiB|GiB)$/.exec(text) ?? [];
  const bytes = Math.round(Number(amount) * (BYTES_PER_UNIT[unit ?? ""] ?? Number.NaN));
  if (Number.isSafeInteger(bytes)) return bytes;
  throw new InvalidArgumentError("A size is a number and its unit (B, KiB, MiB or GiB), such as 64MiB.");
}

/** The reverse of readBytes, in the largest unit that needs no fraction: "16KiB", "64MiB". */
export function bytesText(bytes: number): string {
  const units = Object.entries(BYTES_PER_UNIT);
  const [unit, unitBytes] = units.findLast(([, size]) => bytes >= size && bytes % size === 0) ?? ["B", 1];
  return `${bytes / unitBytes}${unit}`;
}

export function readPort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (!(port <= 65_535)) {
    throw new InvalidArgumentError("A port is a whole number from 0 to 65535; 0 picks a free one.");
  }
  return port;
}

/** An address or a name; "[::1]", as in a URL, means "::1". */
export function readHost(text: string): string {
  const host = /^\[(.*)\]$/.exec(text)?.[1] ?? text;
  // isIPv6 last: its first call compiles a regular expression, which takes 4 ms.
  if (/^[\w.-]+$/.test(host) || isIPv6(host)) return host;
  throw new InvalidArgumentError(
    "A host is an IP address or a name, without scheme or port: 127.0.0.1, ::1, localhost.",
  );
}

/** One of `choices`, spelled exactly so. */
export function readChoice<const T extends string>(choices: readonly T[]): (text: string) => T {
  return (text) => {
    const choice = choices.find((candidate) => candidate === text);
    if (choice === undefined) throw new InvalidArgumentError(`It is one of ${choices.join(", ")}.`);
    return choice;
  };
}

/** An agent's address, as addressText writes it. Keeps the path after the port: the agent may be behind a proxy. */
export function readUrl(text: string): string {
  const address = parseAgentAddress(text);
  if (address !== undefined) return addressText(address);
  if (text.startsWith("unix:/")) return `unix:${readUnixAddress(text)}`;
  throw new InvalidArgumentError(
    "An agent's address is http://127.0.0.1:49983, 127.0.0.1:49983 or unix:/run/holdfast.sock.",
  );
}

/** Any text but the empty one. */
export function readText(text: string): string {
  if (text !== "") return text;
  throw new InvalidArgumentError("It is empty.");
}

/** Bytes of output since the process's start: a whole number. */
export function readOffset(text: string): number {
  const offset = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(offset)) return offset;
  throw new InvalidArgumentError("An offset is a whole number of bytes; 0 is the first byte of output.");
}

/** Collects "NAME=value". "NAME" alone takes its value from `from`, and sets nothing if it is not there. */
export function readVariable(from: NodeJS.ProcessEnv) {
  return (text: string, earlier: Readonly<Record<string, string>> = {}): Record<string, string> => {
    const [, name, equals, value = ""] = /^([^=]+)(=?)(.*)$/s.exec(text) ?? [];
    if (name === undefined) throw new InvalidArgumentError("A variable is NAME=value, or NAME to pass on.");
    // hasOwn: process.env also has a member "toString".
    const own = Object.hasOwn(from, name) ? from[name] : undefined;
    const given = equals === "" ? own : value;
    return given === undefined ? { ...earlier } : { ...earlier, [name]: given };
  };
}

/** A whole number, at least 1. */
export function readCount(text: string): number {
  const count = /^\d{1,7}$/.test(text) ? Number(text) : 0;
  if (count > 0) return count;
  throw new InvalidArgumentError("It is a whole number from 1 to 9999999.");
}

/** For flags that need no argument on the command line; a variable always has a value. */
export function readYesNo(text: string): boolean {
  if (["yes", "true", "1"].includes(text)) return true;
  if (["no", "false", "0"].includes(text)) return false;
  throw new InvalidArgumentError("It is yes or no.");
}

/** A list of values that `read` reads: the flag given several times, or values separated by commas. */
export function readList<T>(read: (text: string) => T) {
  return (text: string, earlier: readonly T[] = []): T[] => [
    ...earlier,
    ...text.split(",").map((part) => read(part.trim())),
  ];
}

/** The path in `unix:/path`, at most as long as sockaddr_un allows. */
export function readUnixAddress(text: string): string {
  const path = /^unix:(\/.*[^/])$/s.exec(text)?.[1];
  if (path === undefined || path.includes("\0"))
    throw new InvalidArgumentError("An address is unix: and an absolute path: unix:/run/holdfast.sock.");
  if (Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES) return path;
  throw new InvalidArgumentError(
    `The path has ${Buffer.byteLength(path)} bytes; Linux takes ${MAX_SOCKET_PATH_BYTES}.`,
  );
}

/** An octal mode as chmod takes it. */
export function readSocketMode(text: string): number {
  if (/^0?[0-7]{3}$/.test(text)) return Number.parseInt(text, 8);
  throw new InvalidArgumentError("A mode is three octal digits: 0600, 0660.");
}

/** A name without port; `*.` and a name for all names below it; `*` for every name. */
export function readHostPattern(text: string): string {
  if (text === "*" || /^(\*\.)?[\w.-]+$/.test(text)) return text;
  throw new InvalidArgumentError("A host is a name without port: agent, *.example.com, or * for all.");
}

/** An origin as browsers write it: the agent compares the two texts. */
export function readOrigin(text: string): string {
  if (text === "*" || text === "null") return text;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && (url.origin === text || `${url.protocol}//${url.host}` === text)) return text;
  throw new InvalidArgumentError(
    "An origin is scheme, host and port without a path: https://app.example.com, or * for all.",
  );
}

export function readFileBytes(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new InvalidArgumentError(`It cannot be read: ${messageOf(error)}.`);
  }
}

/** A whole number from `least` to `most`. */
export function readWhole(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^[+-]?\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    throw new InvalidArgumentError(`It is a whole number from ${least} to ${most}.`);
  };
}

/** A value that `read` reads, or "inherit". */
export function readOrInherit<T>(read: (text: string) => T): (text: string) => T | "inherit" {
  return (text) => {
    if (text === "inherit") return text;
    try {
      return read(text);
    } catch (error) {
      if (!(error instanceof InvalidArgumentError)) throw error;
      throw new InvalidArgumentError(`${error.message} Or it is "inherit".`);
    }
  };
}

/** The number that ioprio_set(2) takes for a class and a level. */
export function readIoPriority(text: string): number {
  if (text === "none") return 0;
  if (text === "idle") return 3 << 13;
  const [, name, level] = /^(best-effort|realtime):([0-7])$/.exec(text) ?? [];
  if (name === undefined) {
    throw new InvalidArgumentError(
      "It is none, idle, best-effort:0 to best-effort:7, or realtime:0 to realtime:7.",
    );
  }
  return ((name === "realtime" ? 1 : 2) << 13) | Number(level);
}
