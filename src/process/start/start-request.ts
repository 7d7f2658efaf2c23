// What a client may ask to be started, checked before anything is opened.

import { HoldfastError } from "../../errors.ts";
import { checkPtySize, type PtySize } from "../../linux/index.ts";
import type { DetachedMode } from "../../multiplexer/index.ts";

export interface StartRequest {
  readonly cmd: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly cwd?: string | undefined;
  /** Whose process it becomes; the agent's own user where absent. */
  readonly user?: string | undefined;
  readonly tag?: string | undefined;
  readonly stdio:
    | { readonly kind: "pty"; readonly size: PtySize }
    /** `stdin` false: /dev/null. */
    | { readonly kind: "pipes"; readonly stdin: boolean };
  /** The process is killed this long after its start. Absent: never. Positive, up to 2^53. */
  readonly timeoutMs?: number | undefined;
  /** A second start with the same one is answered with the first one's process. */
  readonly startId?: string | undefined;
  /** What differs from the agent's own policy. */
  readonly output?: Partial<OutputPolicy> | undefined;
}

/** What happens to output nobody reads (rules 8 and 10). Sizes are bytes. */
export interface OutputPolicy {
  readonly detached: DetachedMode["kind"];
  readonly detachedBufferBytes: number;
  readonly replayBytes: number;
}

/** Ids are kept for as long as their processes. */
const MAX_START_ID_LENGTH = 256;

/** Throws `invalid_argument` for what no machine could start. */
export function checkStartRequest(request: StartRequest, memoryBudgetBytes: number): void {
  if (request.cmd === "")
    throw new HoldfastError("invalid_argument", "cmd is empty: name the command to run");
  refuseNul("cmd", request.cmd);
  for (const [index, arg] of request.args.entries()) refuseNul(`args[${index}]`, arg);
  refuseNul("cwd", request.cwd ?? "");
  refuseNul("user", request.user ?? "");
  refuseNul("tag", request.tag ?? "");
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
  refuseTooMuch("detached_buffer_bytes", request.output?.detachedBufferBytes, memoryBudgetBytes);
  refuseTooMuch("replay_bytes", request.output?.replayBytes, memoryBudgetBytes);
  const idLength = request.startId?.length ?? 1;
  if (idLength === 0 || idLength > MAX_START_ID_LENGTH)
    throw new HoldfastError(
      "invalid_argument",
      `start_id has ${idLength} characters, must have 1 to ${MAX_START_ID_LENGTH}`,
    );
}

/**
 * Whether two requests with one start_id ask for the same thing. Their time limits may differ: gRPC clients send what is
 * left of theirs, which is less each time they try.
 */
export function sameRequest(one: StartRequest, other: StartRequest): boolean {
  return JSON.stringify(normalized(one)) === JSON.stringify(normalized(other));
}

function normalized(request: StartRequest): unknown[] {
  const { cmd, args, environment, cwd, user, tag, stdio, output } = request;
  const variables = Object.entries(environment).sort(([one], [other]) => (one < other ? -1 : 1));
  const { detached, detachedBufferBytes, replayBytes } = output ?? {};
  const policy = [detached, detachedBufferBytes, replayBytes];
  return [cmd, args, variables, cwd ?? null, user ?? null, tag ?? null, stdio, policy];
}

function refuseTooMuch(name: string, bytes: number | undefined, memoryBudgetBytes: number): void {
  if (bytes !== undefined && bytes > memoryBudgetBytes)
    throw new HoldfastError(
      "invalid_argument",
      `${name} is ${bytes}, more than the agent may hold for all processes together, ${memoryBudgetBytes}`,
    );
}

/** C ends a string there: the rest would vanish without a word. */
function refuseNul(what: string, value: string): void {
  if (value.includes("\0"))
    throw new HoldfastError(
      "invalid_argument",
      `${what.replaceAll("\0", "\\0")} holds a NUL byte at ${value.indexOf("\0")}`,
    );
}
