// How a setting reaches a command: as a flag, or as the variable named after it (--drain-timeout and
// HOLDFAST_DRAIN_TIMEOUT). The flag wins, then the variable, then the default. An empty variable counts as not set.

import { type Command, Option } from "commander";

const PREFIX = "HOLDFAST_";

export interface Setting<T> {
  /** As commander writes them: "--port <port>". */
  readonly flags: string;
  /** A noun phrase under 60 characters; the help adds the default and the variable. */
  readonly description: string;
  /** As a user would write it; goes through `read`, and is shown in the help. */
  readonly fallback: string;
  /** Throws commander's InvalidArgumentError that says which values are valid; commander names the flag and the value. */
  readonly read: (text: string) => T;
}

/** A row of a table of flags. Without `fallback` the setting is optional. */
export interface SettingRow extends Omit<Setting<unknown>, "fallback"> {
  readonly fallback?: string;
  /** The value of the flag without an argument, for flags that may have one: "--x [yes|no]". */
  readonly preset?: string;
}

export function addSettings(command: Command, group: string, rows: readonly SettingRow[]): Command {
  command.optionsGroup(`${group}:`);
  for (const { fallback, preset, ...row } of rows) {
    const option = fallback === undefined ? optionalSetting(row) : setting({ ...row, fallback });
    command.addOption(preset === undefined ? option : option.preset(preset));
  }
  return command;
}

export function setting<T>({ fallback, ...rest }: Setting<T>): Option {
  return optionalSetting(rest).default(rest.read(fallback), fallback);
}

/** A setting without a default: undefined when it is not set. */
export function optionalSetting<T>({ flags, description, read }: Omit<Setting<T>, "fallback">): Option {
  const option = new Option(flags, description);
  return option.argParser(read).env(PREFIX + option.name().toUpperCase().replaceAll("-", "_"));
}

/** `HOLDFAST_PORT= holdfast serve` then means the default port, as shells and container files use it. */
export function dropEmptyVariables(env: NodeJS.ProcessEnv): void {
  for (const [name, value] of Object.entries(env)) {
    if (name.startsWith(PREFIX) && value === "") delete env[name];
  }
}

/** Chooses how terminals are opened, for tests: see src/linux/terminal/pty.ts. */
const VARIABLE_OF_TESTS = "HOLDFAST_PTY";

/** Set by an agent for its next image; see src/handover. */
const VARIABLE_OF_UPGRADES = "HOLDFAST_STATE";

/** HOLDFAST_ variables that no command knows, probably misspelled. An unknown flag is refused, a variable is not. */
export function unknownVariables(program: Command, env: NodeJS.ProcessEnv): string[] {
  const known = new Set(program.commands.flatMap(({ options }) => options.map((option) => option.envVar)));
  known.add(VARIABLE_OF_TESTS);
  known.add(VARIABLE_OF_UPGRADES);
  return Object.keys(env).filter((name) => name.startsWith(PREFIX) && !known.has(name));
}
