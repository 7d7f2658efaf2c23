// `holdfast doctor`: its flags and its help.
import type { Command } from "commander";
import { setting } from "../options/settings.ts";
import { readBytes } from "../options/values.ts";
import { addCommandFlags, type CommandFlags, commandSettings } from "../serve/command-flags.ts";
import { addListeningFlags, type ListeningFlags, listenAddresses } from "../serve/listening-flags.ts";

interface DoctorFlags extends ListeningFlags, CommandFlags {
  readonly memoryBudget: number;
  readonly json?: boolean;
}

/** `done` gets the exit code. */
export function addDoctor(program: Command, done: (exitCode: number) => void): void {
  const command = program
    .command("doctor")
    .summary("check whether the agent would work on this machine")
    .description(
      "Checks whether the agent would work here: what it needs of the kernel, the C library and the machine's users, whether " +
        "commands and terminals start, and whether its address is free. Takes the options of serve that matter for that.",
    )
    .option("--json", "print one JSON array instead of lines");
  addCommandFlags(addListeningFlags(command))
    .optionsGroup("Output:")
    .addOption(
      setting({
        flags: "--memory-budget <size>",
        description: "how much output the agent will hold for all processes together",
        fallback: "64MiB",
        read: readBytes,
      }),
    )
    .addHelpText("after", DOCTOR_HELP)
    .action(async (flags: DoctorFlags) => {
      const { examine } = await import("./examine.ts");
      const addresses = listenAddresses(flags, process.env);
      const { memoryBudget: memoryBudgetBytes, json = false } = flags;
      done(await examine({ addresses, commands: commandSettings(flags), memoryBudgetBytes, json }));
    });
}

const DOCTOR_HELP = `
One line a check: ok, warn (it works, but) or fail (it would not work), what was
found, and what that means.

Exit codes:
  0    the agent would work
  1    something would not
  2    bad option or variable

Examples:
  holdfast doctor
  holdfast doctor --host 0.0.0.0 --port 8080 --default-user agent
  holdfast doctor --json | jq '.[] | select(.verdict != "ok")'
`;
