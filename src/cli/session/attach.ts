// `holdfast attach`: its flags and its help.

import type { Command } from "commander";
import { SELECTOR } from "../options/agent-flags.ts";
import { addSessionFlags, SESSION_EXIT_CODES, SESSION_HELP } from "../options/session-flags.ts";
import { readOffset } from "../options/values.ts";
import type { AttachFlags } from "./attach-process.ts";

/** `done` receives the exit code. */
export function addAttach(program: Command, done: (exitCode: number) => void): void {
  const command = program
    .command("attach")
    .summary("return to a running process")
    .description(
      "Attaches to a process, as if it had been started with `holdfast run`. The output begins with the first byte that " +
        "is not delivered yet. Input is sent to a process that accepts it. For an ended process, prints the output that " +
        "the agent still holds and returns its exit code.",
    )
    .argument("[selector]", `${SELECTOR}; default: the only one`)
    .optionsGroup("Process:")
    .option("--from <offset>", "first byte of output; 0: everything still held", readOffset)
    .option("-i, --interactive", "input is required; an error if there is none")
    .option("--no-stdin", "no input to the process");
  addSessionFlags(command)
    .addHelpText("after", ATTACH_HELP)
    .action(async (selector: string | undefined, flags: AttachFlags) => {
      const { attachProcess } = await import("./attach-process.ts");
      done(await attachProcess(selector, flags));
    });
}

const ATTACH_HELP = `${SESSION_HELP}
${SESSION_EXIT_CODES}

Examples:
  holdfast attach shell
  holdfast attach --from 0 --no-stdin build
  holdfast attach --json 4711 | jq -r 'select(.event == "end").exit_code'
`;
