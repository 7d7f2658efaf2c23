// The pipeline of a start: prepare (find the user, refuse requests that cannot work), open stdio,
// launch. Knows nothing of other processes; the table counts, finds and stops them.

import { constants } from "node:os";
import { HoldfastError } from "../../errors.ts";
import {
  executeError,
  type InheritedProperties,
  type LaunchRequest,
  launch,
  type Pid,
  trySpawn,
} from "../../linux/index.ts";
import { openPipes, openTerminal, type Stdio } from "../io/stdio.ts";
import { type WatchedChild, watch } from "../reaper.ts";
import type { AgentDefaults } from "./agent-defaults.ts";
import type { Cgroups } from "./cgroups.ts";
import { directFile } from "./direct-file.ts";
import { processEnvironment } from "./environment.ts";
import { type LaunchedRequest, launchError, launchKilled, launchTimeout } from "./launch-error.ts";
import { launchOutcome } from "./launch-outcome.ts";
import { checkSearchPath, startDirectory } from "./place.ts";
import type { StartRequest } from "./start-request.ts";
import { findUser, type ProcessUser } from "./user.ts";

/** The part of the agent that a start uses. */
export interface StartContext {
  /** Read at each start. */
  readonly defaults: AgentDefaults;
  readonly ownUser: ProcessUser;
  readonly inherited: InheritedProperties;
  /**
   * Read once: Node reads it by setting it to 0 for a moment, in which a file of another thread would get every
   * permission (file threads have a umask of their own only where the machine allows unshare).
   */
  readonly ownUmask: number;
  readonly cgroups: Cgroups | undefined;
  /** How long the look-up of cwd and command may take (rule 15). */
  readonly startTimeoutMs: number;
  /** Aborts the starts that are under way when the agent stops. */
  readonly stop: AbortSignal;
}

/** A child that has executed its command. Its stdio is still to be attached, in the same turn. */
export interface StartedChild {
  readonly child: WatchedChild;
  /** The name of its user. */
  readonly user: string;
  readonly stdio: Stdio;
}

type Prepared = Omit<LaunchRequest, "stdio"> & { readonly names: LaunchedRequest };

/**
 * Starts a child. `admit` is called once, last before anything is opened and in the turn in which
 * the child is created: an exception from it refuses the start. `onChild` receives the child in
 * that turn. After any error the child is killed and nothing stays open.
 */
export async function startChild(
  request: StartRequest,
  context: StartContext,
  admit: () => void,
  onChild: (child: WatchedChild) => void,
): Promise<StartedChild> {
  const name = request.uid ?? request.user ?? context.defaults.user;
  const isOwn = name === undefined && request.group === undefined;
  const user = isOwn ? context.ownUser : await findUser(name ?? context.ownUser.uid, request.group);
  // No await from here to the child: what `admit` checks must still be true when it is created.
  admit();
  const prepared = prepare(request, user, context);
  const stdio = openStdio(request, user);
  try {
    const child = await launchChild({ ...prepared, stdio: stdio.child }, prepared.names, context, onChild);
    return { child, user: user.name, stdio };
  } catch (error) {
    stdio.abandon();
    throw error;
  }
}

/** Refuses everything that can be refused before something is opened. */
function prepare(request: StartRequest, user: ProcessUser, context: StartContext): Prepared {
  const { defaults, cgroups } = context;
  const onPty = request.stdio.kind === "pty";
  const environment = processEnvironment(user, onPty, defaults.environment, request.environment);
  const searchPath = environment["PATH"];
  checkSearchPath(request.cmd, searchPath);
  const askedCwd = request.cwd || defaults.workdir;
  const { cwd, fallback } = startDirectory(askedCwd, user.home);
  const isOwnUser = user.identity === undefined;
  return {
    identity: user.identity,
    cgroupProcs: cgroups?.procsOf(onPty ? "pty" : "user"),
    cwd,
    fallbackCwd: fallback,
    command: request.cmd,
    argv: [request.cmd, ...request.args],
    environment: Object.entries(environment).map(([variable, value]) => `${variable}=${value}`),
    names: { cmd: request.cmd, cwd: askedCwd ?? cwd, searchPath, user: user.name, isOwnUser },
  };
}

function openStdio(request: StartRequest, { identity }: ProcessUser): Stdio {
  return request.stdio.kind === "pty"
    ? openTerminal(request.stdio.size, identity)
    : openPipes(request.stdio.stdin, identity);
}

async function launchChild(
  request: LaunchRequest,
  names: LaunchedRequest,
  context: StartContext,
  onChild: (child: WatchedChild) => void,
): Promise<WatchedChild> {
  const { inherited, startTimeoutMs, stop } = context;
  const directly = spawnDirectly(request, names, context);
  if (directly !== undefined) {
    const child = watch(directly);
    onChild(child);
    return child;
  }
  const { pid, report } = launch(request, inherited);
  const child = watch(pid);
  onChild(child);
  try {
    const outcome = await launchOutcome(report, startTimeoutMs, stop);
    const { step, failure } = outcome.report;
    // It is about to exit. A refused start leaves nothing behind, not even a zombie.
    if (outcome.kind === "reported" && (failure !== undefined || step !== "command"))
      await new Promise((resolve) => child.onReaped(resolve));
    if (outcome.kind === "aborted") throw shuttingDown();
    if (outcome.kind === "timed out") throw launchTimeout(step, names, startTimeoutMs);
    if (failure !== undefined) throw launchError(failure, step, names);
    if (step !== "command") throw launchKilled(names);
    return child;
  } catch (error) {
    child.kill();
    throw error;
  }
}

/**
 * In this turn, without the launcher; undefined if that cannot be done or fails: then the launcher
 * gives the reason.
 */
function spawnDirectly(
  request: LaunchRequest,
  { searchPath }: LaunchedRequest,
  { inherited, ownUmask }: StartContext,
): Pid | undefined {
  const path = directFile(request, searchPath, ownUmask);
  if (path === undefined) return undefined;
  const result = trySpawn({ ...request, path, name: request.command }, inherited);
  if (result.kind === "started") return result.pid;
  // The launcher would need the same room, and a request this large is slow to pass on.
  if (result.errno === constants.errno.E2BIG) throw executeError(request.command, result.errno);
  return undefined;
}

/** The error of a start while the agent stops. */
export function shuttingDown(): HoldfastError {
  return new HoldfastError("unavailable", "the agent is shutting down and starts no more processes");
}
