// What `run` and `attach` share on the command line.
import type { Command } from "commander";
import { exitCodes } from "../exit-codes.ts";
import { type DetachKeys, readDetachKeys } from "../session/detach-keys.ts";
import { giveUpSetting, type UrlFlag, urlSetting, usageExitsWith } from "./agent-flags.ts";
import { setting } from "./settings.ts";

export interface SessionFlags extends UrlFlag {
  readonly json?: boolean;
  /** False with --no-stdin. */
  readonly stdin: boolean;
  readonly detachKeys: DetachKeys;
  readonly giveUpAfter?: number;
  /** From urlFlagOf. */
  readonly urlFlag: string | undefined;
}

/** The agent's address where only the command line says it, so that whoever comes back has to say it again. */
export function urlFlagOf(command: Command): string | undefined {
  return command.getOptionValueSource("url") === "cli" ? command.opts<UrlFlag>().url : undefined;
}

export function addSessionFlags(command: Command): Command {
  return usageExitsWith(command, exitCodes.ownFailure)
    .addOption(
      setting({
        flags: "--detach-keys <keys>",
        description: "what leaves a process on a terminal, typed one after the other; or none",
        fallback: "ctrl-p,ctrl-q",
        read: readDetachKeys,
      }),
    )
    .option("--json", "print one JSON object for each event instead of the output")
    .optionsGroup("Connection:")
    .addOption(urlSetting())
    .addOption(giveUpSetting())
    .optionsGroup("Other:");
}

/** The same for both: what is whose. */
export const SESSION_HELP = `
Its stdout and stderr come out as this command's, and this command's stdin is
its stdin, to the end of file. Signals are passed on: SIGINT and SIGQUIT to its
process group, SIGTERM, SIGUSR1 and SIGUSR2 to itself. On a terminal of its own
(--pty) every key is its own, Ctrl-C too; only the detach keys leave it. SIGHUP
leaves it too: it goes on when the terminal here is closed.

A lost connection is made again, and the output goes on at the very byte. A
signal that comes meanwhile ends this command, not the process.`;

export const SESSION_EXIT_CODES = `
Exit codes:
  N      its own
  128+N  signal N killed it, or ended this command as it could not be passed on
  141    nobody reads stdout any more
  0      also: left by the detach keys
  125    holdfast failed: no agent, bad option, the agent was restarted`;
