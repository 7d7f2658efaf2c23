// The flags of every command that calls an agent. Does not load the client: the help needs only the flags.

import type { Command, Option } from "commander";
import { optionalSetting, setting } from "./settings.ts";
import { readDurationMs, readUrl } from "./values.ts";

export interface UrlFlag {
  readonly url: string;
}

/** The help text of the argument SELECTOR. */
export const SELECTOR = "pid, tag (its newest process) or process_id";

export function urlSetting(): Option {
  return setting({
    flags: "--url <url>",
    description: "address of the agent",
    fallback: "http://127.0.0.1:49983",
    read: readUrl,
  });
}

export function giveUpSetting(): Option {
  return optionalSetting({
    flags: "--give-up-after <duration>",
    description: "time to keep reconnecting (default: forever)",
    read: readDurationMs,
  });
}

/** Usage errors of this command end with `exitCode`, for commands whose program could itself end with 2. */
export function usageExitsWith(command: Command, exitCode: number): Command {
  return command.exitOverride((error) => {
    // 0: the user asked for the help.
    if (error.exitCode !== 0) error.exitCode = exitCode;
    throw error;
  });
}
