// `holdfast attach`: its flags and its help.
import type { Command } from "commander";
import { SELECTOR } from "../options/agent-flags.ts";
import {
  addSessionFlags,
  SESSION_EXIT_CODES,
  SESSION_HELP,
  type SessionFlags,
  urlFlagOf,
} from "../options/session-flags.ts";
import { readOffset } from "../options/values.ts";

/** As commander names what the flags below yield. */
export interface AttachFlags extends SessionFlags {
  readonly from?: number;
}

/** `done` gets the exit code. */
export function addAttach(program: Command, done: (exitCode: number) => void): void {
  const command = program
    .command("attach")
    .summary("come back to a process")
    .description(
      "Attaches to a process, as if it had been run here. The output begins with what nobody has had yet; with others " +
        "attached, with what comes next. Of an ended process it is all that is retained, and its exit code.",
    )
    .argument("<selector>", SELECTOR)
    .optionsGroup("Process:")
    .option("--from <offset>", "begin at this byte of output; 0: with all that is still held", readOffset)
    .option("--no-stdin", "leave its stdin alone");
  addSessionFlags(command)
    .addHelpText("after", ATTACH_HELP)
    .action(async (selector: string, flags: AttachFlags) => {
      const { attachProcess } = await import("./attach-process.ts");
      done(await attachProcess(selector, { ...flags, urlFlag: urlFlagOf(command) }));
    });
}

const ATTACH_HELP = `${SESSION_HELP}
${SESSION_EXIT_CODES}

Examples:
  holdfast attach shell
  holdfast attach --from 0 --no-stdin build
  holdfast attach --json 4711 | jq -r 'select(.event == "end").exit_code'
`;
