// Which agent a command calls. The first of these that is set counts: --url or --context,
// HOLDFAST_URL, HOLDFAST_CONTEXT, the context in use, the default address. The access token and the
// certificates come from the flag, else from the chosen context, else from the variable: a token in
// a variable is not sent to an agent whose context has its own.

import type { Command } from "commander";
import { contextNamed, DEFAULT_CONTEXT, readContexts } from "../contexts/context-file.ts";
import { callsAgent, type UrlFlag } from "../options/agent-flags.ts";
import { silenceNotices } from "../report/notices.ts";
import { type ChosenAgent, rememberAgent } from "./chosen-agent.ts";

interface Choice {
  readonly url: string;
  readonly accessTokenFile?: string;
  readonly ca?: string;
  readonly context?: string;
  readonly origin: ChosenAgent["origin"];
  /** The flags that name this agent again, such as "--context prod". */
  readonly flags: readonly string[];
}

/** Runs before every command. Afterwards the command's option `url` is the chosen address. Reports wrong flags by `command.error`. */
export function chooseAgent(command: Command, program: Command, env: NodeJS.ProcessEnv): void {
  const flag = (name: string): string | undefined => flagOf(command, name) ?? flagOf(program, name);
  if ([command, program].some((given) => given.opts<{ quiet?: boolean }>().quiet === true)) silenceNotices();
  if (!callsAgent(command)) {
    refuseGlobalFlags(command, program);
    return;
  }
  const choice = choose(command, flag, env);
  const tokenFile = flag("accessTokenFile");
  const ca = flag("ca");
  if (ca !== undefined && !choice.url.startsWith("https:"))
    command.error(
      `option '--ca <file>' is for https: addresses, and the agent's is ${choice.url}. Name it with https://.`,
    );
  command.setOptionValue("url", choice.url);
  rememberAgent({
    url: choice.url,
    tokenFile: tokenFile ?? choice.accessTokenFile ?? variable(command, "accessTokenFile"),
    context: choice.context,
    origin: choice.origin,
    caFile: ca ?? choice.ca ?? variable(command, "ca"),
    flags: [
      ...choice.flags,
      ...(tokenFile === undefined ? [] : ["--access-token-file", tokenFile]),
      ...(ca === undefined ? [] : ["--ca", ca]),
    ],
  });
}

function choose(
  command: Command,
  flag: (name: string) => string | undefined,
  env: NodeJS.ProcessEnv,
): Choice {
  const [url, context] = [flag("url"), flag("context")];
  if (url !== undefined && context !== undefined)
    return command.error("options '--url <url>' and '--context <name>' name two agents. Give one of them.");
  if (url !== undefined) return { url, origin: "flag", flags: ["--url", url] };
  if (context !== undefined)
    return { ...fromContext(command, context, env, ["--context", context]), origin: "flag" };
  const named = variable(command, "url");
  if (named !== undefined) return { url: named, origin: "variable", flags: [] };
  const selected = variable(command, "context") ?? currentContext(command, env);
  if (selected !== undefined) return fromContext(command, selected, env, []);
  return { url: String(command.opts<UrlFlag>().url), origin: "default", flags: [] };
}

function fromContext(
  command: Command,
  name: string,
  env: NodeJS.ProcessEnv,
  flags: readonly string[],
): Choice {
  try {
    const { url, access_token_file: accessTokenFile, ca } = contextNamed(name, env);
    return {
      url,
      flags,
      context: name,
      origin: "context",
      ...(accessTokenFile === undefined ? {} : { accessTokenFile }),
      ...(ca === undefined ? {} : { ca }),
    };
  } catch (error) {
    return refuse(command, error);
  }
}

function currentContext(command: Command, env: NodeJS.ProcessEnv): string | undefined {
  try {
    const { current } = readContexts(env);
    return current === DEFAULT_CONTEXT ? undefined : current;
  } catch (error) {
    // The folder of another user, as with `su` or `setpriv`: no context of this user is in use.
    if (error instanceof Error && Reflect.get(Object(error.cause), "code") === "EACCES") return undefined;
    return refuse(command, error);
  }
}

function refuse(command: Command, error: unknown): never {
  return command.error(error instanceof Error ? error.message : String(error));
}

/** On the command line. */
function flagOf(command: Command, name: string): string | undefined {
  return command.getOptionValueSource(name) === "cli" ? String(command.opts()[name]) : undefined;
}

function variable(command: Command, name: string): string | undefined {
  return command.getOptionValueSource(name) === "env" ? String(command.opts()[name]) : undefined;
}

function refuseGlobalFlags(command: Command, program: Command): void {
  for (const { attributeName, long } of program.options.map((option) => ({
    attributeName: option.attributeName(),
    long: option.long,
  })))
    if (attributeName !== "quiet" && flagOf(program, attributeName) !== undefined)
      command.error(
        `option '${long}' before '${command.name()}' has no effect: this command does not call an agent.`,
      );
}
