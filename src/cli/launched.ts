// The signals that were ignored when this program began, as a launcher in front of Node reports them.

import { launcherReport } from "./launcher-report.ts";

/** Ignores them again. */
export async function keepIgnoredSignals(environment: NodeJS.ProcessEnv, pid: number): Promise<void> {
  const signals = ignoredSignals(launcherReport(environment, pid), pid);
  if (signals.length === 0) return;
  const { keepIgnored } = await import("../linux/index.ts");
  keepIgnored(signals);
}

/**
 * From `PID:MASK`, with the mask as /proc/PID/status has it (SigIgn). None if it belongs to another
 * process: then there was no launcher, and the variable was inherited.
 */
export function ignoredSignals(recorded: string | undefined, pid: number): readonly number[] {
  const [, owner, mask] = /^(\d+):([\da-f]{1,16})$/.exec(recorded ?? "") ?? [];
  if (mask === undefined || Number(owner) !== pid) return [];
  const bits = BigInt(`0x${mask}`);
  return Array.from({ length: 64 }, (_, index) => index + 1).filter(
    (signal) => ((bits >> BigInt(signal - 1)) & 1n) === 1n,
  );
}
