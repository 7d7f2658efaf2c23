// A start request, checked before anything is opened.

import { createHash } from "node:crypto";
import { HoldfastError } from "../../errors.ts";
import { checkPtySize, type PtySize } from "../../linux/index.ts";
import type { DetachedMode } from "../../multiplexer/index.ts";
import { lengthProblem, type TextLimit } from "../../text.ts";

export interface StartRequest {
  readonly cmd: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly cwd?: string | undefined;
  /** The name of the user. Absent: the agent's default user. */
  readonly user?: string | undefined;
  /** Instead of the name. */
  readonly uid?: number | undefined;
  readonly tag?: string | undefined;
  readonly stdio:
    | { readonly kind: "pty"; readonly size: PtySize }
    /** `stdin` false: /dev/null. */
    | { readonly kind: "pipes"; readonly stdin: boolean };
  /** The process is killed this long after its start. Absent: no limit. Positive, up to 2^53. */
  readonly timeoutMs?: number | undefined;
  /** A second start with the same id returns the process of the first. */
  readonly startId?: string | undefined;
  /** The settings that differ from the agent's policy. */
  readonly output?: Partial<OutputPolicy> | undefined;
  /** How long it can be found after its end. Absent: as the agent decides. */
  readonly retainEndedMs?: number | undefined;
  /** Forget it once a client has received its end. */
  readonly forgetDelivered?: boolean | undefined;
  /** Name or number of its only group. Absent: the groups of its user. */
  readonly group?: string | undefined;
}

/** The treatment of output while no client reads it (rules 7 and 9). */
export interface OutputPolicy {
  readonly detached: DetachedMode["kind"];
  readonly detachedBufferBytes: number;
  readonly replayBytes: number;
}

/**
 * Linux accepts 6 MiB at most, with 8 bytes for each pointer. Refused early: passing them on is
 * slow.
 */
const MAX_ARGUMENTS = (6 * 1024 * 1024) / 8;
const MAX_TAG_LENGTH = 256;
/** PATH_MAX. */
const MAX_CWD_LENGTH = 4096;

/** Ids are kept for as long as their processes. */
const MAX_START_ID_LENGTH = 256;

/** Throws `invalid_argument` for a request that no machine could start. */
export function checkStartRequest(request: StartRequest, memoryBudgetBytes: number): void {
  if (request.cmd === "")
    throw new HoldfastError("invalid_argument", "cmd is empty: name the command to run");
  if (request.args.length > MAX_ARGUMENTS)
    throw new HoldfastError(
      "invalid_argument",
      `args has ${request.args.length} entries: more than Linux accepts (E2BIG)`,
    );
  refuseNul("cmd", request.cmd);
  for (const [index, arg] of request.args.entries()) refuseNul(`args[${index}]`, arg);
  refuseNul("cwd", request.cwd ?? "");
  refuseNul("user", request.user ?? "");
  refuseNul("group", request.group ?? "");
  if (request.group === "")
    throw new HoldfastError("invalid_argument", "group is empty: give a name or a number, or leave it out");
  refuseNul("tag", request.tag ?? "");
  refuseLength("tag", request.tag, { most: MAX_TAG_LENGTH, least: 0 });
  refuseLength("cwd", request.cwd, { most: MAX_CWD_LENGTH, least: 0 });
  for (const [name, value] of Object.entries(request.environment)) {
    if (name === "" || name.includes("="))
      throw new HoldfastError(
        "invalid_argument",
        `envs has the name "${name}": it must not be empty or hold "="`,
      );
    refuseNul(`the name of envs["${name}"]`, name);
    refuseNul(`envs["${name}"]`, value);
  }
  if (request.stdio.kind === "pty") checkPtySize(request.stdio.size);
  refuseOversize("detached_buffer_bytes", request.output?.detachedBufferBytes, memoryBudgetBytes);
  refuseOversize("replay_bytes", request.output?.replayBytes, memoryBudgetBytes);
  refuseLength("start_id", request.startId, { most: MAX_START_ID_LENGTH });
}

/**
 * Equal for two requests that ask for the same thing. Their time limits may differ: a gRPC client
 * sends the remaining time, which is less in each retry.
 */
export function fingerprintOf(request: StartRequest): string {
  return createHash("sha256")
    .update(JSON.stringify(normalized(request)))
    .digest("base64");
}

function normalized(request: StartRequest): unknown[] {
  const { cmd, args, environment, cwd, user, tag, stdio, output } = request;
  const variables = Object.entries(environment).sort(([one], [other]) => (one < other ? -1 : 1));
  const { detached, detachedBufferBytes, replayBytes } = output ?? {};
  const policy = [detached, detachedBufferBytes, replayBytes];
  const { retainEndedMs, forgetDelivered, group, uid } = request;
  const added = [retainEndedMs ?? null, forgetDelivered ?? false, group ?? null, uid ?? null];
  return [cmd, args, variables, cwd ?? null, user ?? null, tag ?? null, stdio, policy, added];
}

function refuseOversize(name: string, bytes: number | undefined, memoryBudgetBytes: number): void {
  if (bytes !== undefined && bytes > memoryBudgetBytes)
    throw new HoldfastError(
      "invalid_argument",
      `${name} is ${bytes}; the limit is the memory budget of the agent, ${memoryBudgetBytes} (--memory-budget)`,
    );
}

function refuseLength(name: string, text: string | undefined, limit: TextLimit): void {
  const problem = text === undefined ? undefined : lengthProblem(text, limit);
  if (problem !== undefined) throw new HoldfastError("invalid_argument", `${name} ${problem}`);
}

/** C ends a string at NUL: the rest would be dropped silently. */
function refuseNul(what: string, value: string): void {
  if (value.includes("\0"))
    throw new HoldfastError(
      "invalid_argument",
      `${what.replaceAll("\0", "\\0")} holds a NUL byte at ${value.indexOf("\0")}`,
    );
}
