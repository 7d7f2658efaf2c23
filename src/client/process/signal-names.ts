// The wire names the signal that ended a process in Go's words (`signal: killed`). This table
// translates them.

const names: ReadonlyMap<string, string> = new Map([
  ["hangup", "SIGHUP"],
  ["interrupt", "SIGINT"],
  ["quit", "SIGQUIT"],
  ["illegal instruction", "SIGILL"],
  ["trace/breakpoint trap", "SIGTRAP"],
  ["aborted", "SIGABRT"],
  ["bus error", "SIGBUS"],
  ["floating point exception", "SIGFPE"],
  ["killed", "SIGKILL"],
  ["user defined signal 1", "SIGUSR1"],
  ["segmentation fault", "SIGSEGV"],
  ["user defined signal 2", "SIGUSR2"],
  ["broken pipe", "SIGPIPE"],
  ["alarm clock", "SIGALRM"],
  ["terminated", "SIGTERM"],
  ["stack fault", "SIGSTKFLT"],
  ["CPU time limit exceeded", "SIGXCPU"],
  ["file size limit exceeded", "SIGXFSZ"],
  ["virtual timer expired", "SIGVTALRM"],
  ["profiling timer expired", "SIGPROF"],
  ["I/O possible", "SIGIO"],
  ["power failure", "SIGPWR"],
  ["bad system call", "SIGSYS"],
]);

/**
 * `SIGSEGV` for `signal: segmentation fault (core dumped)`; undefined unless a signal with a name
 * ended the process.
 */
export function signalOfStatus(status: string): string | undefined {
  const [, words] = /^signal: (.*?)( \(core dumped\))?$/.exec(status) ?? [];
  return words === undefined ? undefined : names.get(words);
}
