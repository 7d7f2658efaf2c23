// A report of a process on the terminal here, which sets and resets the modes of the terminal around it.

import type { Report } from "../report/report.ts";
import type { TerminalModes } from "./terminal-modes.ts";

/** Only the output of a terminal to a terminal: files and pipes get the bytes of the process and nothing else. */
export function terminalReport(report: Report, modes: TerminalModes): Report {
  /** Why the agent ends, if that was printed on a full screen, which the reset removes. */
  let hiddenReason: string | undefined;
  return {
    ...report,
    stopping: (reason, graceMs) => {
      if (modes.isFullScreen) hiddenReason = reason;
      report.stopping(reason, graceMs);
    },
    attached: async (remote, how) => {
      await report.attached(remote, how);
      if (remote.isPty && process.stdout.isTTY === true) modes.begin(remote.terminal);
    },
    data: async (event) => {
      if (modes.follow(event.data)) await report.data(event);
    },
    gap: async (event) => {
      await report.gap(event);
      modes.jump(event.terminal);
    },
    detached: (how) => {
      modes.close();
      report.detached(how);
    },
    ended: async (exit) => {
      modes.close();
      if (hiddenReason !== undefined) report.stopped?.(hiddenReason);
      await report.ended(exit);
    },
  };
}
