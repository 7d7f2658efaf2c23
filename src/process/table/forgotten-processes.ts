// Remembers the last processes that are no longer retained, so that a client that comes too late
// learns why the result is gone.

import { realClock } from "../../clock.ts";
import { fromLastingMs, toLastingMs } from "../../lasting-time.ts";
import type { ForgottenState } from "../table-state.ts";
import type { ForgetReason, Forgotten } from "./ended-processes.ts";
import { findLastSelected, type ProcessSelector } from "./process-selector.ts";

/** With tags of 256 characters these take about half a megabyte. */
const MAX_REMEMBERED = 1000;

interface Remembered {
  readonly pid: number;
  readonly tag: string | undefined;
  readonly processId: string;
  /** As in the end event. */
  readonly status: string;
  readonly reason: ForgetReason;
  /** By the running clock. */
  readonly endedAtMs: number;
}

export class ForgottenProcesses {
  /** In the order in which they were forgotten. */
  readonly #forgotten: Remembered[] = [];

  add({ process, end: { status }, reason }: Forgotten): void {
    const { pid, processId, request, endedAtMs = 0 } = process;
    this.#forgotten.push({ pid, tag: request.tag, processId, status, reason, endedAtMs });
    if (this.#forgotten.length > MAX_REMEMBERED) this.#forgotten.shift();
  }

  save(): ForgottenState[] {
    const nowMs = realClock.nowMs();
    return this.#forgotten.map((one) => ({ ...one, endedAtMs: toLastingMs(one.endedAtMs, nowMs) }));
  }

  restore(saved: readonly ForgottenState[]): void {
    const nowMs = realClock.nowMs();
    for (const { endedAtMs, reason, tag, ...rest } of saved)
      this.#forgotten.push({
        ...rest,
        tag,
        reason: reason as ForgetReason,
        endedAtMs: fromLastingMs(endedAtMs, nowMs),
      });
  }

  /** Why the last such process is no longer there, for a message; undefined if none is known. */
  whyGone(selector: ProcessSelector): string | undefined {
    const found = findLastSelected(this.#forgotten, selector, ({ tag }) => tag);
    if (found === undefined) return undefined;
    const ago = durationText(realClock.nowMs() - found.endedAtMs);
    return `process ${found.pid} ended ${ago} ago (${found.status}), and ${describe(found.reason)}`;
  }
}

function describe(reason: ForgetReason): string {
  switch (reason.kind) {
    case "time":
      return `its result was kept for ${durationText(reason.retainMs)} (serve --retain-ended, run --retain)`;
    case "count":
      return `the agent keeps the results of at most ${reason.maxProcesses} processes`;
    case "delivered":
      return "its result was delivered (run --rm)";
    case "shutdown":
      return "the agent is shutting down";
  }
}

/** "59 s", "3 min", "26 h". */
function durationText(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}
