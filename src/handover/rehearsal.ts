// A rehearsal: the next image runs beside this one with the header of the state, restores
// everything from it, and ends. Meanwhile this agent serves. A rehearsal that fails changes
// nothing.

import { closeSync } from "node:fs";
import { HoldfastError } from "../errors.ts";
import { type InheritedDescriptors, rehearsedDescriptors } from "../linux/index.ts";
import { runTrial, type TrialOutcome } from "../process/index.ts";
import { clipMiddle, messageOf } from "../text.ts";
import { type AgentState, FORMAT } from "./agent-state.ts";
import { imageOf, type Program } from "./images.ts";
import { readState, writeState } from "./state-file.ts";

/** An option and no variable: a version that does not know it refuses it, and does not start a second agent. */
const REHEARSAL_OPTION = "--rehearse";

const REHEARSAL_MS = 20_000;
const MAX_OUTPUT_LENGTH = 1500;

export interface Rehearsal {
  /** Of the version that was tried. */
  readonly version: string;
}

/** Resolves with the report of the next image. Throws `failed_precondition` with its output if it fails. */
export async function rehearse(program: Program, state: AgentState, signal: AbortSignal): Promise<Rehearsal> {
  const { end, output, isLate } = await run(program, state, signal).catch((error: unknown) => {
    throw refused(`it cannot be tried: ${messageOf(error)}`, error);
  });
  if (signal.aborted)
    throw new HoldfastError("unavailable", "the agent is shutting down and does not upgrade");
  if (isLate)
    throw refused(
      `it was not ready within ${REHEARSAL_MS / 1000} s: ${clipMiddle(output, MAX_OUTPUT_LENGTH)}`,
    );
  const report = end.exitCode === 0 ? reportIn(output) : undefined;
  if (report !== undefined) return report;
  throw refused(`${end.status}: ${clipMiddle(output.trim(), MAX_OUTPUT_LENGTH)}`);
}

/** Rejects if the machine has no memory, descriptor or process for it. */
async function run(program: Program, state: AgentState, signal: AbortSignal): Promise<TrialOutcome> {
  const image = imageOf({ ...program, argv: [...program.argv, REHEARSAL_OPTION] }, undefined);
  const { fd: stdin } = writeState(state, false);
  try {
    return await runTrial(image, { stdin, limitMs: REHEARSAL_MS, signal });
  } finally {
    closeSync(stdin);
  }
}

/** In the image that is tried: the state on stdin. Throws for one that this version cannot continue with. */
export function readRehearsedState(): {
  readonly state: AgentState;
  readonly descriptors: InheritedDescriptors;
} {
  const state = readState(0, false);
  return { state, descriptors: rehearsedDescriptors(state.descriptors) };
}

/** In the image that is tried, when everything is restored. */
export function reportRehearsal(version: string): void {
  process.stdout.write(`${JSON.stringify({ rehearsed: true, version, format: FORMAT })}\n`);
}

/** Log lines may surround it. */
function reportIn(output: string): Rehearsal | undefined {
  for (const line of output.split("\n")) {
    try {
      const { rehearsed, version } = JSON.parse(line) as { rehearsed?: unknown; version?: unknown };
      if (rehearsed === true && typeof version === "string") return { version };
    } catch {
      // Not JSON: a line for people.
    }
  }
  return undefined;
}

function refused(why: string, cause?: unknown): HoldfastError {
  return new HoldfastError("failed_precondition", `the next version cannot continue this agent: ${why}`, {
    cause,
  });
}
