// The flags of `run` and `shell` that say how a command is started.

import { type Command, Option } from "commander";
import { optionalSetting } from "../options/settings.ts";
import { readDurationMs, readVariable } from "../options/values.ts";
import { readUser, type UserFields } from "./user-flag.ts";

/** As commander names the values of the flags. */
export interface CommandFlags {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly workdir?: string;
  readonly user?: UserFields;
  readonly retain?: number;
}

export function addCommandFlags(command: Command): Command {
  return command
    .option(
      "-e, --env <NAME=value>",
      "variable of the command; NAME alone copies its value",
      readVariable(process.env),
    )
    .option("-w, --cwd <folder>", "working directory (default: the user's home)")
    .addOption(new Option("--workdir <folder>", "the same as --cwd").hideHelp())
    .addOption(
      optionalSetting({
        flags: "-u, --user <user>",
        description: "user of the command, NAME[:GROUP] or UID[:GID]",
        read: readUser,
      }),
    )
    .addOption(
      optionalSetting({
        flags: "--retain <duration>",
        description: "time to keep its result (default: serve --retain-ended)",
        read: readDurationMs,
      }),
    );
}

/** The fields of a StartRequest. */
export function commandFields({ env = {}, cwd, workdir, user = {}, retain }: CommandFlags) {
  const folder = cwd ?? workdir;
  return {
    env,
    ...user,
    ...(folder === undefined ? {} : { cwd: folder }),
    ...(retain === undefined ? {} : { retainEndedMs: retain }),
  };
}
