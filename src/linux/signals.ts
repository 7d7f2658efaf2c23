// The names of signals: the kernel's (`SIGKILL`) and the words in which Go describes them
// (`killed`). The numbers are those of `constants.signals` in node:os. holdfast/client has a table
// of its own, because it imports nothing from the agent.

import { constants } from "node:os";

/**
 * From syscall/zerrors_linux_amd64.go (the same on arm64), by number. Signals from 32 on have none.
 */
const goDescriptions: readonly string[] = [
  ...["", "hangup", "interrupt", "quit", "illegal instruction", "trace/breakpoint trap", "aborted"],
  ...["bus error", "floating point exception", "killed", "user defined signal 1", "segmentation fault"],
  ...["user defined signal 2", "broken pipe", "alarm clock", "terminated", "stack fault", "child exited"],
  ...["continued", "stopped (signal)", "stopped", "stopped (tty input)", "stopped (tty output)"],
  ...["urgent I/O condition", "CPU time limit exceeded", "file size limit exceeded", "virtual timer expired"],
  ...["profiling timer expired", "window changed", "I/O possible", "power failure", "bad system call"],
];

/** `terminated` for 15, `signal 34` for 34. */
export function describeSignal(signal: number): string {
  return goDescriptions[signal] ?? `signal ${signal}`;
}

/** `SIGTERM` for 15, `signal 34` for 34. */
export function signalName(signal: number): string {
  const name = Object.entries(constants.signals).find(([, number]) => number === signal)?.[0];
  return name ?? `signal ${signal}`;
}
