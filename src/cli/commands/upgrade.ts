// `holdfast upgrade`: its flags and its help.

import type { Command } from "commander";
import { addConnectionFlags } from "../options/agent-flags.ts";
import type { UpgradeFlags } from "./upgrade-agent.ts";

/** `done` receives the exit code. */
export function addUpgrade(program: Command, done: (exitCode: number) => void): void {
  const command = program
    .command("upgrade")
    .summary("replace the running agent; its processes continue")
    .description(
      "The agent becomes the version that is in its file now. Its pid, processes, terminals, addresses and streams " +
        "continue. A version that cannot continue them is refused, and nothing changes.",
    )
    .option("--to <file>", "absolute path of another executable on the agent's machine")
    .option("--json", "the two versions as a JSON object", false);
  addConnectionFlags(command)
    .addHelpText("after", UPGRADE_HELP)
    .action(async (flags: UpgradeFlags) => {
      const { upgradeAgent } = await import("./upgrade-agent.ts");
      done(await upgradeAgent(flags));
    });
}

const UPGRADE_HELP = `
The file of --to must belong to root or the user of the agent, and no other user
may be able to write it.

Exit codes:
  0    upgraded
  1    no agent, or it refused: it continues as it is
  2    bad option or variable
  141  the reader of stdout is gone

Examples:
  holdfast upgrade
  holdfast upgrade --to /usr/local/bin/holdfast-next
`;
