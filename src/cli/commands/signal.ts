// `holdfast signal`: its flags and its help.
import { type Command, InvalidArgumentError } from "commander";
import type { SignalName } from "../../client/index.ts";
import { SELECTOR, type UrlFlag, urlSetting } from "../options/agent-flags.ts";

/** As commander names what the flags below yield. */
export interface SignalFlags extends UrlFlag {
  readonly group?: boolean;
}

/** `done` gets the exit code. */
export function addSignal(program: Command, done: (exitCode: number) => void): void {
  program
    .command("signal")
    .summary("send a signal to a process")
    .description("Sends a signal to a process, or with --group to its whole process group.")
    .argument("<selector>", SELECTOR)
    .argument("<signal>", "its name or number: SIGTERM, term or 15", readSignal)
    .option("-g, --group", "what it started gets it, too, unless that left its group")
    .addOption(urlSetting())
    .addHelpText("after", SIGNAL_HELP)
    .action(async (selector: string, signal: SignalName, flags: SignalFlags) => {
      const { signalProcess } = await import("./signal-process.ts");
      done(await signalProcess(selector, signal, flags));
    });
}

/** Those the agent sends, by their numbers on Linux, where it runs. */
const signals: ReadonlyMap<SignalName, number> = new Map([
  ["SIGHUP", 1],
  ["SIGINT", 2],
  ["SIGQUIT", 3],
  ["SIGKILL", 9],
  ["SIGUSR1", 10],
  ["SIGUSR2", 12],
  ["SIGTERM", 15],
  ["SIGCONT", 18],
  ["SIGSTOP", 19],
  ["SIGWINCH", 28],
]);

/** "SIGTERM", "TERM", "term" or "15". */
function readSignal(text: string): SignalName {
  const name = text.toUpperCase().replace(/^(SIG)?/, "SIG");
  const found = [...signals].find(([known, number]) => known === name || String(number) === text);
  if (found !== undefined) return found[0];
  throw new InvalidArgumentError(`It is one of ${[...signals.keys()].join(", ")}.`);
}

const SIGNAL_HELP = `
Exit codes:
  0  sent
  1  no agent, no such process, or it refused
  2  bad argument, option or variable

Examples:
  holdfast signal build TERM
  holdfast signal --group 4711 SIGINT
`;
