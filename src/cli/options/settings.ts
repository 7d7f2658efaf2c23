// How a setting reaches a command: as a flag, or as the variable named after it (--drain-timeout and
// HOLDFAST_DRAIN_TIMEOUT). The flag wins, then the variable, then the default; an empty variable is as good as none.
import { type Command, Option } from "commander";

const PREFIX = "HOLDFAST_";

export interface Setting<T> {
  /** As commander writes them: "--port <port>". */
  readonly flags: string;
  readonly description: string;
  /** As a user would write it; goes through `read`, and is shown in the help. */
  readonly fallback: string;
  /** Throws commander's InvalidArgumentError that says what would be right; the flag and the value are put before it. */
  readonly read: (text: string) => T;
}

export function setting<T>({ fallback, ...rest }: Setting<T>): Option {
  return optionalSetting(rest).default(rest.read(fallback), fallback);
}

/** One that is undefined where nobody sets it. */
export function optionalSetting<T>({ flags, description, read }: Omit<Setting<T>, "fallback">): Option {
  const option = new Option(flags, description);
  return option.argParser(read).env(PREFIX + option.name().toUpperCase().replaceAll("-", "_"));
}

/** So that `HOLDFAST_PORT= holdfast serve` is the default port, as shells and container files mean it. */
export function dropEmptyVariables(env: NodeJS.ProcessEnv): void {
  for (const [name, value] of Object.entries(env)) {
    if (name.startsWith(PREFIX) && value === "") delete env[name];
  }
}

/** HOLDFAST_ variables that are no command's setting, most likely misspelt: a variable, unlike a flag, is never refused. */
export function unknownVariables(program: Command, env: NodeJS.ProcessEnv): string[] {
  const known = new Set(program.commands.flatMap(({ options }) => options.map((option) => option.envVar)));
  return Object.keys(env).filter((name) => name.startsWith(PREFIX) && !known.has(name));
}
