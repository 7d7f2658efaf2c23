// How a process ended, in the words of Go's os.ProcessState, which existing clients show and parse.

import { describeSignal } from "../linux/index.ts";

/** The end event's content (rule 3). */
export interface ProcessEnd {
  /** 0 to 255, or -1 when a signal ended the process. */
  readonly exitCode: number;
  /** False when a signal ended the process. */
  readonly exited: boolean;
  /** `exit status 1`, `signal: killed`, `signal: segmentation fault (core dumped)`. */
  readonly status: string;
  /** Absent for exit code 0, otherwise the same words. */
  readonly error?: string;
}

/** From the status that waitpid reported for an ended child. */
export function endFromWaitStatus(waitStatus: number): ProcessEnd {
  const signal = waitStatus & 0x7f;
  if (signal !== 0) {
    const coreDumped = (waitStatus & 0x80) !== 0 ? " (core dumped)" : "";
    const status = `signal: ${describeSignal(signal)}${coreDumped}`;
    return { exitCode: -1, exited: false, status, error: status };
  }
  const exitCode = (waitStatus >> 8) & 0xff;
  const status = `exit status ${exitCode}`;
  return exitCode === 0
    ? { exitCode, exited: true, status }
    : { exitCode, exited: true, status, error: status };
}
