// How much clients may ask of this agent, beside what the machine itself allows.

import { HoldfastError } from "../../errors.ts";
import type { StartRequest } from "./start-request.ts";

export interface ProcessLimits {
  /** That have not ended. */
  readonly maxProcesses: number;
  /** cmd and all args together, each with the NUL that ends it. */
  readonly maxArgumentBytes: number;
  /** All that the request sets, as `NAME=value`, each with the NUL that ends it. */
  readonly maxEnvironmentBytes: number;
}

export const DEFAULT_PROCESS_LIMITS: ProcessLimits = {
  maxProcesses: 1024,
  // Either: what Linux gives both together, with the usual stack of 8 MiB.
  maxArgumentBytes: 2 * 1024 * 1024,
  maxEnvironmentBytes: 2 * 1024 * 1024,
};

/** Throws `resource_exhausted` for what is beyond, naming the flag. `processes` is how many there are already. */
export function checkLimits(request: StartRequest, processes: number, limits: ProcessLimits): void {
  if (processes >= limits.maxProcesses)
    throw tooMuch(`${processes} processes are running, as many as there may be (--max-processes)`);
  const argumentBytes = sum([request.cmd, ...request.args]);
  if (argumentBytes > limits.maxArgumentBytes)
    throw tooMuch(
      `the arguments have ${argumentBytes} bytes, more than ${limits.maxArgumentBytes} (--max-arguments)`,
    );
  // One byte after each of them: "=" after a name, NUL after a value.
  const environmentBytes = sum(Object.entries(request.environment).flat());
  if (environmentBytes > limits.maxEnvironmentBytes)
    throw tooMuch(
      `the environment has ${environmentBytes} bytes, more than ${limits.maxEnvironmentBytes} (--max-environment)`,
    );
}

function sum(texts: readonly string[]): number {
  return texts.reduce((bytes, text) => bytes + Buffer.byteLength(text) + 1, 0);
}

function tooMuch(message: string): HoldfastError {
  return new HoldfastError("resource_exhausted", message);
}
