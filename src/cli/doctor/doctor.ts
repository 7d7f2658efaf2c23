// `holdfast doctor`: its flags and its help.

import type { Command } from "commander";
import { isChosenBy } from "../connect/chosen-agent.ts";
import { addConnectionFlags } from "../options/agent-flags.ts";
import { addSettings } from "../options/settings.ts";
import { type AccessFlags, tlsRows } from "../serve/access-flags.ts";
import {
  addCommandFlags,
  COMMAND_FLAGS_HELP,
  type CommandFlags,
  commandSettings,
} from "../serve/command-flags.ts";
import { addListeningFlags, type ListeningFlags, listenAddresses } from "../serve/listening-flags.ts";
import { memoryBudgetRow } from "../serve/output-flags.ts";

interface DoctorFlags extends ListeningFlags, CommandFlags, Pick<AccessFlags, "tlsCert" | "tlsKey"> {
  readonly memoryBudget: number;
  readonly json?: boolean;
}

/** `done` receives the exit code. */
export function addDoctor(program: Command, done: (exitCode: number) => void): void {
  const command = program
    .command("doctor")
    .summary("check whether the agent would work on this machine")
    .description(
      "Checks whether the agent would work here: the kernel, the C library, the users and limits of the machine, whether " +
        "commands and terminals start, and whether its address is free or an agent uses it. Takes those options of serve " +
        "that affect this. With --url or --context, checks the connection to that agent: name, address, TLS, proxy, " +
        "token, version; with a variable or a context in use, both.",
    )
    .option("--json", "one JSON array instead of lines");
  addCommandFlags(addListeningFlags(command));
  addSettings(command, "Access", tlsRows);
  addSettings(command, "Output", [memoryBudgetRow]);
  addConnectionFlags(command)
    .addHelpText("after", DOCTOR_HELP)
    .action(async (flags: DoctorFlags) => {
      const { examine } = await import("./examine.ts");
      const addresses = await listenAddresses(flags, process.env);
      const { memoryBudget: memoryBudgetBytes, json = false } = flags;
      const hasTls = flags.tlsCert !== undefined || flags.tlsKey !== undefined;
      // A flag that names an agent asks about the way there. A variable or a context may be there for other commands.
      const subject = isChosenBy("flag") ? "way" : isChosenBy("default") ? "machine" : "both";
      const commands = commandSettings(flags);
      done(await examine({ addresses, commands, memoryBudgetBytes, hasTls, json, subject }));
    });
}

const DOCTOR_HELP = `
One line per check: ok, warn (works with a restriction) or fail (does not work),
then the result and its consequence.
${COMMAND_FLAGS_HELP}
Exit codes:
  0    the agent would work, or can be reached
  1    at least one check failed
  2    bad option or variable

Examples:
  holdfast doctor
  holdfast doctor --url https://agent.example.com --ca ca.pem
  holdfast doctor --host 0.0.0.0 --port 8080 --default-user agent
  holdfast doctor --json | jq '.[] | select(.verdict != "ok")'
`;
