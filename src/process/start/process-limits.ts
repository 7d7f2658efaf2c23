// How much clients may ask of this agent, in addition to the limits of the machine.

import { HoldfastError } from "../../errors.ts";
import type { StartRequest } from "./start-request.ts";

export interface ProcessLimits {
  /** Processes that have not ended. */
  readonly maxProcesses: number;
  /** cmd and all args together, each with the NUL that ends it. */
  readonly maxArgumentBytes: number;
  /** The variables of the request, as `NAME=value`, each with the NUL that ends it. */
  readonly maxEnvironmentBytes: number;
  /** How long a client can ask to retain its process after the end. */
  readonly maxRetainEndedMs: number;
  /** How many of them can still be found. */
  readonly maxRetainedProcesses: number;
}

/** Throws `resource_exhausted`, naming the flag, when the limit of processes is reached. */
export function checkProcessCount(processes: number, { maxProcesses }: ProcessLimits): void {
  if (processes >= maxProcesses) throw exhausted(`process limit reached (${maxProcesses}; --max-processes)`);
}

/** Throws `invalid_argument`, naming the flag, for a request to be retained for too long. */
export function checkRetention(
  { retainEndedMs = 0 }: StartRequest,
  { maxRetainEndedMs }: ProcessLimits,
): void {
  if (retainEndedMs <= maxRetainEndedMs) return;
  throw new HoldfastError(
    "invalid_argument",
    `retain_ended_ms is ${retainEndedMs}; the limit is ${maxRetainEndedMs} (--max-retain-ended)`,
  );
}

/** Throws `resource_exhausted`, naming the flag, for a request that is too large. */
export function checkRequestSize(request: StartRequest, limits: ProcessLimits): void {
  const argumentBytes = sum([request.cmd, ...request.args]);
  if (argumentBytes > limits.maxArgumentBytes)
    throw exhausted(
      `the arguments have ${argumentBytes} bytes; the limit is ${limits.maxArgumentBytes} (--max-arguments)`,
    );
  // One more byte for each text: "=" after a name, NUL after a value.
  const environmentBytes = sum(Object.entries(request.environment).flat());
  if (environmentBytes > limits.maxEnvironmentBytes)
    throw exhausted(
      `the environment has ${environmentBytes} bytes; the limit is ${limits.maxEnvironmentBytes} (--max-environment)`,
    );
}

function sum(texts: readonly string[]): number {
  return texts.reduce((bytes, text) => bytes + Buffer.byteLength(text) + 1, 0);
}

function exhausted(message: string): HoldfastError {
  return new HoldfastError("resource_exhausted", message);
}
