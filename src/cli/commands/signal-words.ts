// Signals as people type them: KILL, SIGKILL, kill or 9, also as an option: -9, -KILL.

import { constants } from "node:os";
import { type Command, InvalidArgumentError } from "commander";
import type { SignalName } from "../../client/index.ts";

/** The signals that the agent can send. */
export const signalNames: readonly SignalName[] = [
  ...(["SIGHUP", "SIGINT", "SIGQUIT", "SIGKILL", "SIGUSR1", "SIGUSR2"] as const),
  ...(["SIGTERM", "SIGCONT", "SIGSTOP", "SIGWINCH"] as const),
];

function toSignal(text: string): SignalName | undefined {
  const name = text.toUpperCase().replace(/^(SIG)?/, "SIG");
  return signalNames.find((known) => known === name || String(constants.signals[known]) === text);
}

/** Throws commander's InvalidArgumentError. */
export function readSignal(text: string): SignalName {
  const signal = toSignal(text);
  if (signal !== undefined) return signal;
  throw new InvalidArgumentError(`It is one of ${signalNames.join(", ")}.`);
}

/**
 * The words of a command line without the signal that is written as an option, and that signal. Commander leaves it among
 * the words, with every option that it does not know: those are refused here, by `command.error`. Words after `--` are
 * no options.
 */
export function takeSignalOption(
  command: Command,
  words: readonly string[],
): { readonly signal: SignalName | undefined; readonly others: readonly string[] } {
  const literal = wordsAfterDashes(command);
  const others = words.slice(0, words.length - literal.length).filter((word) => word !== "--");
  const isOption = (word: string) => word.startsWith("-") && word !== "-";
  const options = others.filter(isOption);
  const [first, second] = options.map((option) => toSignal(option.slice(1)));
  const unknown = options.find((option) => toSignal(option.slice(1)) === undefined);
  if (unknown !== undefined)
    command.error(
      /^-[A-Z\d]/.test(unknown)
        ? `'${unknown}' is not a signal. It is one of ${signalNames.join(", ")}.`
        : `unknown option '${unknown}'`,
    );
  if (second !== undefined) command.error(`two signals are given: ${options.join(" ")}`);
  return { signal: first, others: [...others.filter((word) => !isOption(word)), ...literal] };
}

/** Commander keeps `--` only after an option that it does not know. */
function wordsAfterDashes({ parent }: Command): readonly string[] {
  const all: readonly string[] = Reflect.get(Object(parent), "rawArgs") ?? [];
  const dashes = all.indexOf("--");
  return dashes < 0 ? [] : all.slice(dashes + 1);
}
