// The words that can complete a command line, from the description of the commands. No I/O: names
// that only an agent or a file knows are asked for by their kind.

import type { Command, Option } from "commander";
import { logFormats, logLevels } from "../../agent/settings.ts";
import { FILE_ACCESS_MODES } from "../../filesystem/defaults.ts";
import { DETACHED_MODES } from "../../process/defaults.ts";
import { filterKeys, filterStatuses } from "../commands/process-filter.ts";
import { signalNames } from "../commands/signal-words.ts";
import { controlKeys, DEFAULT_DETACH_KEYS } from "../session/detach-keys.ts";
import { sortKeys } from "../top/rates.ts";
import { shells } from "./shells.ts";

export interface Candidate {
  readonly value: string;
  readonly description?: string;
}

/** Candidates that are known, and a kind of names that the caller has to find. */
export interface Candidates {
  readonly known: readonly Candidate[];
  readonly ask?: AskedNames;
  /** What is typed before the name that `ask` finds: `--context=`, `tag=`. */
  readonly prefix?: string;
}

type AskedNames =
  | ("files" | "directories" | "commands" | "variables")
  | ("remote files" | "remote paths" | "remote folders")
  | ("running" | "processes" | "tags" | "contexts");

const NOTHING: Candidates = { known: [] };

/**
 * `words` follow the name of the program; the last one is being typed. Unsorted, and not limited to
 * the typed beginning.
 */
export function candidatesFor(program: Command, words: readonly string[]): Candidates {
  const place = placeOf(program, words.slice(0, -1));
  const current = words.at(-1) ?? "";
  if (place.option !== undefined) return valuesOf(place.command, place.option, current);
  if (place.isForeign) return { known: [], ask: place.isFirst ? "commands" : "files" };
  const [, flag, typed = ""] = /^(--[\w-]+)=(.*)$/s.exec(current) ?? [];
  if (flag !== undefined) {
    const option = findOption(place.command, program, flag);
    return option === undefined ? NOTHING : prefixed(valuesOf(place.command, option, typed), `${flag}=`);
  }
  if (current.startsWith("-"))
    return { known: [...flagsOf(place.command, program), ...signalFlagsOf(place.command)] };
  return argumentsOf(place, program, current);
}

interface Place {
  readonly command: Command;
  /** The option whose value comes next. */
  readonly option: Option | undefined;
  /** The arguments of the command so far. */
  readonly given: number;
  /** The words belong to the command line that `holdfast run` runs. */
  readonly isForeign: boolean;
  /** With isForeign: the name of the program comes next. */
  readonly isFirst: boolean;
}

function placeOf(program: Command, words: readonly string[]): Place {
  let command = program;
  let given = 0;
  let option: Option | undefined;
  let isAfterDashes = false;
  for (const word of words) {
    if (option !== undefined) option = undefined;
    else if (word === "--") isAfterDashes = true;
    // `holdfast help COMMAND`: commands come next.
    else if (command === program && word === "help") continue;
    else if (!isAfterDashes && word.startsWith("-") && given === 0) {
      const found = findOption(command, program, word);
      if (found?.required === true && !word.includes("=")) option = found;
    } else if (!isAfterDashes && word.startsWith("-") && !runsCommand(command)) {
      const found = findOption(command, program, word);
      if (found?.required === true) option = found;
    } else {
      const next = given === 0 ? command.commands.find((own) => isNamed(own, word)) : undefined;
      if (next === undefined) given++;
      else command = next;
    }
  }
  const isForeign = runsCommand(command) && (isAfterDashes || given > 0);
  return { command, option, given, isForeign, isFirst: given === 0 };
}

/** `holdfast run COMMAND ARGUMENT...`. */
function runsCommand(command: Command): boolean {
  return command.registeredArguments[0]?.name() === "command" && command.registeredArguments[0].variadic;
}

function isNamed(command: Command, word: string): boolean {
  return command.name() === word || command.aliases().includes(word);
}

/** Of the command, or of the program: the flags that work everywhere. `-it` is two flags, the last may take a value. */
function findOption(command: Command, program: Command, word: string): Option | undefined {
  const name = word.startsWith("--") ? word.replace(/=.*/s, "") : `-${word.at(-1)}`;
  const options = command === program ? program.options : command.options;
  return options.find(({ long, short }) => long === name || short === name);
}

function flagsOf(command: Command, program: Command): Candidate[] {
  const flags = command.options.filter(({ hidden }) => !hidden);
  const help = { value: "--help", description: "this help" };
  const own = flags.map(({ long, short, description }) => ({ value: long ?? short ?? "", description }));
  return command === program ? own : [...own, help];
}

/** `holdfast kill -KILL`. */
function signalFlagsOf(command: Command): Candidate[] {
  return command.name() === "kill" ? signals("").known.map(({ value }) => ({ value: `-${value}` })) : [];
}

function argumentsOf({ command, given }: Place, program: Command, current: string): Candidates {
  const subcommands = given === 0 ? command.commands.filter((own) => !own.name().startsWith("__")) : [];
  if (subcommands.length > 0) return { known: subcommands.flatMap(namesOf) };
  const last = command.registeredArguments.at(-1);
  const argument = command.registeredArguments[given] ?? (last?.variadic === true ? last : undefined);
  switch (argument?.name()) {
    case "selector":
    case "name":
      if (command.name() === "signal" && given > 0) return signals(current);
      return {
        known: [],
        ask: ["logs", "inspect", "wait"].includes(command.name()) ? "processes" : "running",
      };
    case "signal":
      return signals(current);
    case "context":
      return { known: [], ask: "contexts" };
    case "path":
    case "source":
    case "target":
      return pathsOf(command, current);
    case "shell":
      return choices(shells);
    case "command":
      return argument?.variadic === true
        ? { known: [], ask: "commands" }
        : argumentsOf({ ...placeOf(program, []) }, program, current);
    default:
      return NOTHING;
  }
}

function namesOf(command: Command): Candidate[] {
  return [command.name(), ...command.aliases()].map((value) => ({ value, description: command.summary() }));
}

/** Commands that also take paths of this machine. */
const copying: readonly string[] = ["cp", "sync"];

function pathsOf(command: Command, current: string): Candidates {
  if (current.startsWith(":")) return { known: [], ask: "remote files" };
  return copying.includes(command.name()) ? { known: [], ask: "files" } : choices([":"]);
}

/** `typed` is the beginning of the value. */
function valuesOf(command: Command, option: Option, typed: string): Candidates {
  switch (option.long) {
    case "--access-token-file":
    case "--ca":
    case "--tls-cert":
    case "--tls-key":
    case "--token-file":
      return { known: [], ask: "files" };
    case "--default-workdir":
    case "--cgroup":
      return { known: [], ask: "directories" };
    case "--to":
      // The agent takes no relative path.
      return typed.startsWith("/") ? { known: [], ask: "remote paths" } : choices(["/"]);
    case "--env":
      // A value that was begun is the user's own.
      return typed.includes("=") ? NOTHING : { known: [], ask: "variables" };
    case "--detach-keys":
      return detachKeys(typed);
    case "--tail":
      return choices(["all"]);
    case "--context":
      return { known: [], ask: "contexts" };
    case "--signal":
      return signals(typed);
    case "--sort":
      return choices(sortKeys);
    case "--format":
      return choices(command.name() === "inspect" ? ["json"] : ["table", "json"]);
    case "--filter":
      return filters(typed);
    case "--process":
      return { known: [], ask: "running" };
    case "--cwd":
      return { known: [], ask: "remote folders" };
    case "--links":
      return choices(option.argChoices ?? []);
    case "--file-access":
      return choices(FILE_ACCESS_MODES);
    case "--page-out":
      return choices(["yes", "no"]);
    case "--detached":
    case "--while-detached":
      return choices(DETACHED_MODES);
    case "--log-level":
      return choices(logLevels);
    case "--log-format":
      return choices(logFormats);
    default:
      return NOTHING;
  }
}

function filters(typed: string): Candidates {
  const [, key] = /^(tag=|name=|status=)/.exec(typed) ?? [];
  if (key === "status=") return prefixed(choices(filterStatuses), key);
  return key === undefined
    ? choices(filterKeys.map((name) => `${name}=`))
    : { known: [], ask: "tags", prefix: key };
}

/** The keys before the last comma stay as they are typed. */
function detachKeys(typed: string): Candidates {
  const before = typed.slice(0, typed.lastIndexOf(",") + 1);
  const whole = before === "" ? [DEFAULT_DETACH_KEYS, "none"] : [];
  return choices([...whole, ...controlKeys.map((key) => before + key)]);
}

/** In the spelling that was begun: KILL, SIGKILL, kill or sigkill. */
function signals(typed: string): Candidates {
  const isLong = /^s(i|ig.*)?$/i.test(typed);
  const names = signalNames.flatMap((name) => [name.replace(/^SIG/, ""), ...(isLong ? [name] : [])]);
  const isLowerCase = /^[a-z]/.test(typed);
  return choices(names.map((name) => (isLowerCase ? name.toLowerCase() : name)));
}

function choices(values: readonly string[]): Candidates {
  return { known: values.map((value) => ({ value })) };
}

function prefixed({ known, ask, prefix: inner = "" }: Candidates, prefix: string): Candidates {
  return {
    known: known.map(({ value, ...more }) => ({ ...more, value: prefix + value })),
    ...(ask === undefined ? {} : { ask, prefix: prefix + inner }),
  };
}
