// The memory of an idle agent.

import type { Command } from "commander";
import { addSettings, type SettingRow } from "../options/settings.ts";
import { readYesNo } from "../options/values.ts";

export interface MemoryFlags {
  readonly pageOut: boolean;
}

const rows: readonly SettingRow[] = [
  {
    flags: "--page-out <yes|no>",
    description: "return the memory of unused code when idle",
    fallback: "yes",
    read: readYesNo,
  },
];

export function addMemoryFlags(command: Command): Command {
  return addSettings(command, "Memory", rows).option("--no-page-out", "the same as --page-out no");
}
