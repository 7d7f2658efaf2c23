// The report of the launcher that runs before Node. In the npm package, the launcher is the shell
// code at the top of dist/cli/main.cjs (scripts/launcher-head.mjs). The single executable replaces
// this file.

const VARIABLE = "HOLDFAST_IGNORED_SIGNALS";

/**
 * `PID:MASK`, with the signals that were ignored as in /proc/PID/status (SigIgn). The variable is
 * removed: no program below this one may take it for its own.
 */
export function launcherReport(environment: NodeJS.ProcessEnv, _pid: number): string | undefined {
  const report = environment[VARIABLE];
  delete environment[VARIABLE];
  return report;
}
