// The web console of `serve`.

import { type Command, InvalidArgumentError } from "commander";
import type { AgentSettings } from "../../agent/settings.ts";
import { addSettings, type SettingRow } from "../options/settings.ts";
import { readList, readOrigin, readYesNo } from "../options/values.ts";

export interface ConsoleFlags {
  readonly console?: boolean;
  readonly consoleFrameAncestors?: readonly string[];
}

const rows: readonly SettingRow[] = [
  {
    flags: "--console [yes|no]",
    description: "serve the web console at /console/",
    read: readYesNo,
    preset: "yes",
  },
  {
    flags: "--console-frame-ancestors <origin>",
    description: "origin of pages that may show the console in a frame",
    read: readList(readFrameAncestor),
  },
];

function readFrameAncestor(text: string): string {
  if (text !== "null") return readOrigin(text);
  throw new InvalidArgumentError(
    "A page that has no origin cannot be allowed: give an origin, or * for all.",
  );
}

export function addConsoleFlags(command: Command): Command {
  return addSettings(command, "Console", rows);
}

/** Ends `command` with a usage error for a setting of a console that is not served. */
export function consoleSettings(
  { console = false, consoleFrameAncestors = [] }: ConsoleFlags,
  command: Command,
): AgentSettings["console"] {
  if (console) return { frameAncestors: consoleFrameAncestors };
  if (consoleFrameAncestors.length > 0)
    return command.error("option '--console-frame-ancestors <origin>' also needs --console");
  return undefined;
}
