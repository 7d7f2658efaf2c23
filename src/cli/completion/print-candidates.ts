// The hidden command of the completion scripts: prints the candidates for the last word of a
// command line, one a line. It never prints an error, because it runs while the user types.

import type { Command } from "commander";
import { createAgentClient } from "../../client/agent-client.ts";
import type { Client, ProcessInfo } from "../../client/index.ts";
import { commandText } from "../commands/process-rows.ts";
import { chooseAgent } from "../connect/choose-agent.ts";
import { accessOfChosenAgent } from "../connect/chosen-agent.ts";
import { readContexts } from "../contexts/context-file.ts";
import { exitCodes } from "../exit-codes.ts";
import { silenceNotices } from "../report/notices.ts";
import { writeOut } from "../report/report.ts";
import { type Candidate, type Candidates, candidatesFor } from "./candidates.ts";

/** The scripts replace such a line by the names that the shell knows. */
const directives: readonly string[] = [":files", ":directories", ":commands"];

/** How long a person waits for a list of processes. */
const MOST_MS = 1_500;

/** `command` is the one that completes, which has the flags that choose an agent. Resolves with the exit code. */
export async function printCandidates(
  program: Command,
  command: Command,
  words: readonly string[],
): Promise<number> {
  silenceNotices();
  const current = words.at(-1) ?? "";
  const { known, ask, prefix = "" } = candidatesFor(program, words);
  const typed = current.slice(prefix.length);
  const found = await named(ask, program, command, [...words.slice(0, -1), typed]).catch(() => []);
  const lines = [...known, ...found.map(({ value, ...more }) => ({ ...more, value: prefix + value }))]
    .filter(({ value }) => value.startsWith(current))
    .map(({ value, description }) =>
      // With a tab behind it, the name of a file is not taken for a directive.
      description === undefined && !directives.includes(value) ? value : `${value}\t${description ?? ""}`,
    );
  const directive = directives.filter((line) => line === `:${ask}`);
  await writeOut(process.stdout, [...lines, ...directive].map((line) => `${line}\n`).join(""));
  return exitCodes.done;
}

async function named(
  ask: Candidates["ask"],
  program: Command,
  command: Command,
  words: readonly string[],
): Promise<Candidate[]> {
  if (ask === "contexts")
    return Object.entries(readContexts(process.env).contexts).map(([value, { url }]) => ({
      value,
      description: url,
    }));
  if (ask === "variables") return variables(process.env);
  if (ask === undefined || directives.includes(`:${ask}`)) return [];
  for (const [name, value] of flagsIn(words)) command.setOptionValueWithSource(name, value, "cli");
  chooseAgent(command, program, process.env);
  const client = createAgentClient({ reconnect: { callRetryMs: 0 }, ...accessOfChosenAgent() });
  try {
    const signal = AbortSignal.timeout(MOST_MS);
    if (ask === "remote files" || ask === "remote paths" || ask === "remote folders")
      return await remoteNames(client, words, ask, signal);
    const processes = await client.list({ includeEnded: ask !== "running", signal });
    return toCandidates(ask === "tags" ? processes.filter(({ tag }) => tag !== undefined) : processes);
  } finally {
    client.close();
  }
}

/** The names that a person can type. A shell also exports functions. */
function variables(environment: NodeJS.ProcessEnv): Candidate[] {
  return Object.keys(environment)
    .filter((name) => /^[A-Za-z_]\w*$/.test(name))
    .map((value) => ({ value }));
}

type RemoteNames = "remote files" | "remote paths" | "remote folders";

/** The entries of the directory that is being typed. Before files there is a colon, where a path can also be one of this machine: `:dir/fi`. */
async function remoteNames(
  client: Client,
  words: readonly string[],
  ask: RemoteNames,
  signal: AbortSignal,
): Promise<Candidate[]> {
  const colon = ask === "remote files" ? ":" : "";
  const typed = words.at(-1)?.slice(colon.length) ?? "";
  const entries = await remoteEntries(client, words, typed, signal);
  return entries
    .filter(({ isFolder }) => isFolder || ask !== "remote folders")
    .map(({ path, isFolder }) => ({ value: `${colon}${path}${isFolder ? "/" : ""}` }));
}

async function remoteEntries(
  client: Client,
  words: readonly string[],
  typed: string,
  signal: AbortSignal,
): Promise<{ path: string; isFolder: boolean }[]> {
  const folder = typed.slice(0, typed.lastIndexOf("/") + 1);
  const isHidden = typed.slice(folder.length).startsWith(".");
  const user = userIn(words);
  const options = { signal, ...(user === undefined ? {} : { user }) };
  const entries = await client.files.list(folder === "" ? "~" : folder, options);
  return entries
    .filter(({ name }) => (isHidden || !name.startsWith(".")) && !/[\s\p{Cc}]/u.test(name))
    .map(({ name, kind }) => ({ path: folder + name, isFolder: kind === "directory" }));
}

function userIn(words: readonly string[]): string | undefined {
  const at = words.slice(0, -2).findIndex((word) => word === "-u" || word === "--user");
  return at < 0 ? undefined : words[at + 1];
}

/** The flags that choose an agent, anywhere on the command line. */
function flagsIn(words: readonly string[]): [name: string, value: string][] {
  const names = new Map([
    ["--url", "url"],
    ["--context", "context"],
    ["--access-token-file", "accessTokenFile"],
    ["--ca", "ca"],
  ]);
  return words.slice(0, -1).flatMap((word, at) => {
    const [flag = "", inline] = word.split(/=(.*)/s);
    const name = names.get(flag);
    const value = inline ?? words[at + 1];
    return name === undefined || value === undefined ? [] : [[name, value] as [string, string]];
  });
}

/** A tag for each process that has one, and its pid otherwise. */
function toCandidates(processes: readonly ProcessInfo[]): Candidate[] {
  const byName = new Map(
    processes.map((info) => [info.tag ?? String(info.pid), commandText(info).replace(/\p{Cc}+/gu, " ")]),
  );
  return [...byName]
    .filter(([value]) => !/[\s\p{Cc}]/u.test(value))
    .map(([value, description]) => ({ value, description: description.slice(0, 60) }));
}
