// `holdfast inspect`: its flags and its help.

import type { Command } from "commander";
import { addConnectionFlags, SELECTOR } from "../options/agent-flags.ts";
import { readFormat, refuseTwoFormats } from "./format-template.ts";
import type { InspectFlags } from "./inspect-processes.ts";
import { processFields } from "./process-fields.ts";

/** `done` receives the exit code. */
export function addInspect(program: Command, done: (exitCode: number) => void): void {
  const command = program
    .command("inspect")
    .summary("print everything about processes, as JSON")
    .description(
      "Prints everything that the agent knows about processes: one JSON array with an object for each. It includes the " +
        "variables that were given at the start, which may be secret.",
    )
    .argument("<selector...>", SELECTOR)
    .option(
      "-f, --format <format>",
      "json or a template, see holdfast help ps",
      readFormat(processFields, ["json"]),
    )
    .option("--json", "JSON, which is also the default");
  addConnectionFlags(command)
    .addHelpText("after", INSPECT_HELP)
    .action(async (selectors: readonly string[], flags: InspectFlags) => {
      refuseTwoFormats(command, flags);
      const { inspectProcesses } = await import("./inspect-processes.ts");
      done(await inspectProcesses(selectors, flags));
    });
}

const INSPECT_HELP = `
Exit codes:
  0    done
  1    no agent, or no such process
  2    bad argument, option or variable
  141  the reader of stdout is gone

Examples:
  holdfast inspect build
  holdfast inspect build | jq '.[0].usage.cpu_ms'
  holdfast inspect --format '{{.Status}}' build
`;
