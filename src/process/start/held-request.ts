// The memory of a request for as long as its process is known: counted in the one budget (rule 14).
// An ended process keeps little of its command, which may have had megabytes.

import { HoldfastError } from "../../errors.ts";
import type { MemoryBudget, Reservation } from "../../multiplexer/index.ts";
import type { StartRequest } from "./start-request.ts";

/** Of cmd, args and environment together, once the process has ended. */
const MAX_ENDED_BYTES = 4096;
/** The cost of an object, a Map entry or an array slot for each text. */
const OVERHEAD_BYTES = 32;

export interface HeldRequest {
  /** Shortened by `shorten`. */
  readonly request: StartRequest;
  /** Keeps at most 4 KiB of command and environment. A second call does nothing. */
  shorten(): void;
  /** Takes it out of the budget. A second call does nothing. */
  release(): void;
}

/** Throws `resource_exhausted` if the budget has no room. */
export function holdRequest(whole: StartRequest, budget: Pick<MemoryBudget, "reserve">): HeldRequest {
  const bytes = bytesOf(whole);
  const reservation = budget.reserve(bytes);
  if (reservation === undefined)
    throw new HoldfastError(
      "resource_exhausted",
      `the memory budget has no room for a request of ${bytes} bytes (--memory-budget)`,
    );
  return held(whole, reservation);
}

function held(whole: StartRequest, reservation: Reservation | undefined): HeldRequest {
  let request = whole;
  return {
    get request() {
      return request;
    },
    shorten: () => {
      request = shortened(request);
      reservation?.resize(bytesOf(request));
    },
    release: () => reservation?.release(),
  };
}

/** Of a process that another image of the agent started: it runs, whether the budget has room or not. */
export function holdInherited(request: StartRequest, budget: Pick<MemoryBudget, "reserve">): HeldRequest {
  return held(request, budget.reserve(bytesOf(request)));
}

function bytesOf({ cmd, args, environment, cwd = "", tag = "" }: StartRequest): number {
  let bytes = 0;
  for (const text of [cmd, cwd, tag, ...args]) bytes += OVERHEAD_BYTES + Buffer.byteLength(text);
  for (const name of Object.keys(environment))
    bytes += 2 * OVERHEAD_BYTES + Buffer.byteLength(`${name}${environment[name]}`);
  return bytes;
}

/** Leaves out the end of the arguments and variables if they do not fit, with a note as the last argument. */
function shortened(request: StartRequest): StartRequest {
  if (bytesOf(request) <= MAX_ENDED_BYTES) return request;
  let room = MAX_ENDED_BYTES;
  const take = (text: string) => {
    const kept = text.length <= room ? text : copyOf(text.slice(0, room));
    room = Math.max(0, room - kept.length - OVERHEAD_BYTES);
    return kept;
  };
  const cmd = take(request.cmd);
  const args: string[] = [];
  while (room > 0 && args.length < request.args.length) args.push(take(request.args[args.length] ?? ""));
  const environment: Record<string, string> = {};
  for (const [name, value] of Object.entries(request.environment)) {
    if (name.length + value.length + OVERHEAD_BYTES > room) break;
    Object.defineProperty(environment, take(name), { value: take(value), enumerable: true });
  }
  const left = request.args.length - args.length;
  return { ...request, cmd, args: left > 0 ? [...args, `... ${left} more`] : args, environment };
}

/** A slice of a string keeps all of it alive. */
function copyOf(slice: string): string {
  return Buffer.from(slice).toString();
}
