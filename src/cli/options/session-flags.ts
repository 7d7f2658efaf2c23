// The flags and help texts that `run` and `attach` share.

import type { Command } from "commander";
import { exitCodes } from "../exit-codes.ts";
import { type DetachKeys, readDetachKeys } from "../session/detach-keys.ts";
import { addConnectionFlags, giveUpSetting, type UrlFlag, usageExitsWith } from "./agent-flags.ts";
import { setting } from "./settings.ts";

export interface SessionFlags extends UrlFlag {
  readonly json?: boolean;
  /** False with --no-stdin. */
  readonly stdin: boolean;
  readonly detachKeys: DetachKeys;
  readonly giveUpAfter?: number;
}

export function addSessionFlags(command: Command): Command {
  const session = usageExitsWith(command, exitCodes.ownFailure)
    .addOption(
      setting({
        flags: "--detach-keys <keys>",
        description: "keys that leave a process on a terminal, or none",
        fallback: "ctrl-p,ctrl-q",
        read: readDetachKeys,
      }),
    )
    .option("--json", "one JSON object per event instead of the output")
    .optionsGroup("Connection:")
    .addOption(giveUpSetting());
  return addConnectionFlags(session);
}

export const SESSION_HELP = `
This command prints the stdout and stderr of the process as its own, and sends
its own stdin to the process, including the end of file. It forwards signals:
SIGINT and SIGQUIT to the process group, SIGTERM, SIGUSR1 and SIGUSR2 to the
process. With a terminal (--pty), the process gets every key, also Ctrl-C; only
the detach keys leave it. SIGHUP also leaves it: the process continues when
this terminal is closed.

If the connection is lost, this command reconnects, and the output continues
at the next byte. A signal that arrives meanwhile ends this command, not the
process.`;

export const SESSION_EXIT_CODES = `
Exit codes:
  N      the exit code of the process
  128+N  the process was killed by signal N, or signal N ended this command
         because it could not be forwarded
  141    the reader of stdout is gone
  0      also: left with the detach keys
  125    holdfast failed: no agent, bad option, or the agent was restarted`;
