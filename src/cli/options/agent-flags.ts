// What the commands that talk to an agent have in common on the command line. Free of the client, as all files are that
// the help loads.
import type { Command, Option } from "commander";
import { optionalSetting, setting } from "./settings.ts";
import { readDurationMs, readUrl } from "./values.ts";

export interface UrlFlag {
  readonly url: string;
}

/** What SELECTOR is. */
export const SELECTOR = "a pid, a tag (the newest process that carries it) or a process_id";

export function urlSetting(): Option {
  return setting({
    flags: "--url <url>",
    description: "where the agent is",
    fallback: "http://127.0.0.1:49983",
    read: readUrl,
  });
}

export function giveUpSetting(): Option {
  return optionalSetting({
    flags: "--give-up-after <duration>",
    description: "how long a lost connection is tried to be made again; else for ever",
    read: readDurationMs,
  });
}

/** Usage errors of this command end with `exitCode`: where 2 could be taken for the program's own. */
export function usageExitsWith(command: Command, exitCode: number): Command {
  return command.exitOverride((error) => {
    // 0: the help that was asked for.
    if (error.exitCode !== 0) error.exitCode = exitCode;
    throw error;
  });
}
