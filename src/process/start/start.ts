// The pipeline of a start: prepare (look everything up, refuse what cannot work), open stdio,
// spawn. Knows nothing of other processes; the table counts, finds and stops them.

import {
  type InheritedProperties,
  lookupUser,
  type Pid,
  type SpawnRequest,
  spawn,
  type User,
} from "../../linux/index.ts";
import { openPipes, openTerminal, type Stdio } from "../io/stdio.ts";
import type { AgentDefaults } from "./agent-defaults.ts";
import type { Cgroups } from "./cgroups.ts";
import { lookupCommand } from "./command-lookup.ts";
import { processEnvironment } from "./environment.ts";
import type { StartRequest } from "./start-request.ts";
import { asUser } from "./user.ts";
import { resolveCwd } from "./working-directory.ts";

/** What a start needs to know of its agent. */
export interface StartContext {
  /** Read at each start. */
  readonly defaults: AgentDefaults;
  readonly ownUser: User;
  readonly inherited: InheritedProperties;
  readonly cgroups: Cgroups | undefined;
}

/** A child that has executed its command. Its stdio is still to be attached, in the same turn. */
export interface StartedChild {
  readonly pid: Pid;
  /** The name of its user. */
  readonly user: string;
  readonly stdio: Stdio;
}

/**
 * Starts a child. `admit` is called last before anything is opened, in the turn of the start: what
 * it throws refuses the start. After any error nothing runs and nothing stays open.
 */
export async function startChild(
  request: StartRequest,
  context: StartContext,
  admit: () => void,
): Promise<StartedChild> {
  const name = request.user ?? context.defaults.user;
  const user = name === undefined ? context.ownUser : await lookupUser(name);
  // No await from here on: what `admit` checks must still be true when the child is started.
  admit();
  const command = prepare(request, user, context);
  const stdio = openStdio(request, user);
  return { pid: spawnOn(stdio, command, context.inherited), user: user.name, stdio };
}

/** Refuses everything that can be refused before something is opened. */
function prepare(
  request: StartRequest,
  user: User,
  { defaults, cgroups }: StartContext,
): Omit<SpawnRequest, "stdio"> {
  const onPty = request.stdio.kind === "pty";
  const environment = processEnvironment(user, onPty, defaults.environment, request.environment);
  const cwd = resolveCwd(request.cwd || defaults.workdir, user.home);
  const path = lookupCommand(request.cmd, environment["PATH"], cwd);
  const wrapped = asUser(user, { path, argv: [request.cmd, ...request.args] });
  const command = cgroups?.inside(onPty ? "pty" : "user", wrapped) ?? wrapped;
  const variables = Object.entries(environment).map(([variable, value]) => `${variable}=${value}`);
  return { ...command, environment: variables, cwd };
}

function openStdio(request: StartRequest, user: User): Stdio {
  return request.stdio.kind === "pty"
    ? openTerminal(request.stdio.size, user.uid, user.gid)
    : openPipes(request.stdio.stdin);
}

function spawnOn(stdio: Stdio, command: Omit<SpawnRequest, "stdio">, inherited: InheritedProperties): Pid {
  try {
    return spawn({ ...command, stdio: stdio.child }, inherited);
  } catch (error) {
    stdio.abandon();
    throw error;
  }
}
