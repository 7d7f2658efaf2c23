// The flags and help texts that `run` and `attach` share.

import type { Command } from "commander";
import { exitCodes } from "../exit-codes.ts";
import { DEFAULT_DETACH_KEYS, type DetachKeys, readDetachKeys } from "../session/detach-keys.ts";
import { addConnectionFlags, giveUpSetting, type UrlFlag, usageExitsWith } from "./agent-flags.ts";
import { setting } from "./settings.ts";

export interface SessionFlags extends UrlFlag {
  readonly json?: boolean;
  /** False with --no-stdin. */
  readonly stdin: boolean;
  /** False with --no-signals. */
  readonly signals: boolean;
  readonly detachKeys: DetachKeys;
  readonly giveUpAfter?: number;
}

export function addSessionFlags(command: Command): Command {
  const session = usageExitsWith(command, exitCodes.ownFailure)
    .addOption(
      setting({
        flags: "--detach-keys <keys>",
        description: "keys that leave a process on a terminal, or none",
        fallback: DEFAULT_DETACH_KEYS,
        read: readDetachKeys,
      }),
    )
    .option("--no-signals", "signals are not sent to it: Ctrl-C only leaves it")
    .option("--json", "one JSON object per event instead of the output")
    .optionsGroup("Connection:")
    .addOption(giveUpSetting());
  return addConnectionFlags(session);
}

export const SESSION_HELP = `
This command prints the stdout and stderr of the process as its own. It forwards
signals: SIGINT and SIGQUIT to the process group, SIGTERM, SIGUSR1 and SIGUSR2
to the process. With a terminal (-t), the process gets every key, also Ctrl-C.

To leave the process running:
  detach keys    on a terminal
  Ctrl-C         three times; with --no-signals once
  SIGHUP         the terminal is closed
  SIGTERM        if a process on a terminal ignores it for 3 s
  q or Ctrl-C    on a terminal, while the connection is lost; Enter retries now

If the connection is lost, this command reconnects, and the output continues
at the next byte. A signal that arrives meanwhile, or that the agent does not
answer within 3 s, ends this command, not the process.`;

export const SESSION_EXIT_CODES = `
Exit codes:
  N      the exit code of the process
  128+N  the process was killed by signal N, or signal N ended this command
         because it could not be forwarded
  141    the reader of stdout is gone
  0      also: left with the detach keys, or with q
  124    the process was killed at its time limit
  125    holdfast failed: no agent, bad option, or the agent was restarted`;
