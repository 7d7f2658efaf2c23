// How a process ended, in the words Go's os.ProcessState uses: existing clients show and parse them.

import { constants } from "node:os";

/** The end event's content (rule 3). */
export interface ProcessEnd {
  /** 0 to 255, or -1 when a signal ended the process. */
  readonly exitCode: number;
  /** False when a signal ended the process. */
  readonly exited: boolean;
  /** `exit status 1`, `signal: killed`, `signal: segmentation fault (core dumped)`. */
  readonly status: string;
  /** Absent for exit code 0, else the same words. */
  readonly error?: string;
}

/** Go's names (syscall/zerrors_linux_amd64.go; the same on arm64), by number. Signals from 32 on have none. */
const signalNames: readonly string[] = [
  ...[
    "",
    "hangup",
    "interrupt",
    "quit",
    "illegal instruction",
    "trace/breakpoint trap",
    "aborted",
    "bus error",
  ],
  ...["floating point exception", "killed", "user defined signal 1", "segmentation fault"],
  ...["user defined signal 2", "broken pipe", "alarm clock", "terminated", "stack fault", "child exited"],
  ...["continued", "stopped (signal)", "stopped", "stopped (tty input)", "stopped (tty output)"],
  ...["urgent I/O condition", "CPU time limit exceeded", "file size limit exceeded", "virtual timer expired"],
  ...["profiling timer expired", "window changed", "I/O possible", "power failure", "bad system call"],
];

/** Takes what waitpid reported for a child that ended. */
export function endFromWaitStatus(waitStatus: number): ProcessEnd {
  const signal = waitStatus & 0x7f;
  if (signal !== 0) {
    const coreDumped = (waitStatus & 0x80) !== 0 ? " (core dumped)" : "";
    const status = `signal: ${signalNames[signal] ?? `signal ${signal}`}${coreDumped}`;
    return { exitCode: -1, exited: false, status, error: status };
  }
  const exitCode = (waitStatus >> 8) & 0xff;
  const status = `exit status ${exitCode}`;
  return exitCode === 0
    ? { exitCode, exited: true, status }
    : { exitCode, exited: true, status, error: status };
}

/** `SIGTERM` for 15; for messages. */
export function signalName(signal: number): string {
  const name = Object.entries(constants.signals).find(([, number]) => number === signal)?.[0];
  return name ?? `signal ${signal}`;
}
