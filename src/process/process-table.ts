// All processes of this agent that have not ended: starts them, finds them by pid or tag, stops them.

import { randomUUID } from "node:crypto";
import { HoldfastError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import { lookupCommand } from "./command-lookup.ts";
import { processEnvironment } from "./environment.ts";
import { adoptOrphans, type Pid, setCloseOnExecEverywhere } from "./libc.ts";
import { type SpawnRequest, spawn } from "./posix-spawn.ts";
import { Process, type ProcessSettings } from "./process.ts";
import { startReaping, watch } from "./reaper.ts";
import { checkStartRequest, type StartRequest } from "./start-request.ts";
import { openPipes, openTerminal, type Stdio } from "./stdio.ts";
import { startTimer } from "./timer.ts";
import { asUser, lookupUser, ownUser, type User } from "./user.ts";
import { resolveCwd } from "./working-directory.ts";

export interface ProcessTableOptions extends Partial<ProcessSettings> {
  readonly logger: Logger;
  /** Added to every process's environment. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** Which process a client means. A tag names the newest live process that carries it. */
export type ProcessSelector =
  | { readonly kind: "pid"; readonly pid: number }
  | { readonly kind: "tag"; readonly tag: string };

const DEFAULT_DRAIN_TIMEOUT_MS = 200;
const DEFAULT_WINDOW_BYTES = 256 * 1024;

const SIGKILL = 9;
const SIGTERM = 15;
const SIGCONT = 18;

export class ProcessTable {
  /** Oldest first. Not by pid: one that is reaped and still draining may have left its pid to a newer one. */
  readonly #processes = new Set<Process>();
  readonly #settings: ProcessSettings;
  readonly #environment: Readonly<Record<string, string>>;
  readonly #logger: Logger;
  readonly #ownUser: User = ownUser();
  #stopping = false;
  /** Called, and forgotten, when the last process has ended. */
  #onEmpty: (() => void)[] = [];

  /** Makes this agent the reaper of all that runs below it. One table per program: see reaper.ts. */
  constructor(options: ProcessTableOptions) {
    this.#settings = {
      drainTimeoutMs: options.drainTimeoutMs ?? DEFAULT_DRAIN_TIMEOUT_MS,
      windowBytes: options.windowBytes ?? DEFAULT_WINDOW_BYTES,
    };
    this.#environment = options.environment ?? {};
    this.#logger = options.logger;
    setCloseOnExecEverywhere();
    adoptOrphans();
    startReaping();
  }

  /**
   * Starts a process and returns it before any of its output is read. Throws a HoldfastError for what DESIGN.md
   * lists, and then has started nothing and left nothing open.
   */
  async start(request: StartRequest): Promise<Process> {
    checkStartRequest(request);
    const user = request.user === undefined ? this.#ownUser : await lookupUser(request.user);
    // No await from here on: between the check and the start nobody may begin to stop the table.
    if (this.#stopping)
      throw new HoldfastError("unavailable", "the agent is shutting down: it starts nothing more");
    const command = this.#prepare(request, user);
    const stdio = openStdio(request, user);
    const pid = spawnOn(stdio, command);
    const started = { pid, processId: randomUUID(), request, stdio };
    const child = new Process(started, this.#settings, (ended) => this.#forget(ended));
    this.#processes.add(child);
    watch(pid, (waitStatus) => child.onReaped(waitStatus));
    return child;
  }

  /** Oldest first. */
  list(): Process[] {
    return [...this.#processes];
  }

  /** Throws `not_found`. */
  find(selector: ProcessSelector): Process {
    const found = this.list().findLast(({ pid, request }) =>
      selector.kind === "pid" ? pid === selector.pid : request.tag === selector.tag,
    );
    if (found !== undefined) return found;
    const what = selector.kind === "pid" ? `pid ${selector.pid}` : `tag "${selector.tag}"`;
    throw new HoldfastError("not_found", `no process with ${what}`);
  }

  /**
   * Starts nothing more, asks every process (and its group) to end, kills what is left after `graceMs`, and resolves
   * when all have ended, with the number it had to kill.
   */
  async shutdown(graceMs: number): Promise<{ readonly ended: number; readonly killed: number }> {
    this.#stopping = true;
    const all = this.#processes.size;
    let killed = 0;
    const grace = startTimer(graceMs, () => {
      killed = this.list().filter(({ isRunning }) => isRunning).length;
      this.killAll();
    });
    // A stopped process acts on SIGTERM only when it is continued.
    this.#signalAll(SIGTERM);
    this.#signalAll(SIGCONT);
    await this.#empty();
    grace.cancel();
    return { ended: all - killed, killed };
  }

  /** SIGKILL to every process and its group, at once. */
  killAll(): void {
    this.#signalAll(SIGKILL);
  }

  /** All that can be refused is refused here, before anything is opened. */
  #prepare(request: StartRequest, user: User): Omit<SpawnRequest, "stdio"> {
    const onPty = request.stdio.kind === "pty";
    const environment = processEnvironment(user, onPty, this.#environment, request.environment);
    const cwd = resolveCwd(request.cwd, user.home);
    const file = lookupCommand(request.cmd, environment["PATH"], cwd);
    const command = asUser(user, file, [request.cmd, ...request.args]);
    const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
    return { ...command, environment: variables, cwd };
  }

  #forget(process: Process): void {
    this.#processes.delete(process);
    if (this.#processes.size > 0) return;
    for (const onEmpty of this.#onEmpty.splice(0)) onEmpty();
  }

  #empty(): Promise<void> {
    if (this.#processes.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onEmpty.push(resolve));
  }

  #signalAll(signal: number): void {
    for (const process of this.#processes) {
      if (!process.isRunning) continue;
      try {
        process.signalGroup(signal);
      } catch (error) {
        this.#logger.warn({ err: error, pid: process.pid }, "cannot signal a process");
      }
    }
  }
}

function spawnOn(stdio: Stdio, command: Omit<SpawnRequest, "stdio">): Pid {
  try {
    return spawn({ ...command, stdio: stdio.child });
  } catch (error) {
    stdio.abandon();
    throw error;
  }
}

function openStdio(request: StartRequest, user: User): Stdio {
  return request.stdio.kind === "pty"
    ? openTerminal(request.stdio.size, user.uid, user.gid)
    : openPipes(request.stdio.stdin);
}
