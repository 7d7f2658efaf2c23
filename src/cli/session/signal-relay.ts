// The signals this command gets are the process's. But SIGHUP, which says that the terminal is gone: that is what
// processes here outlive. And who signals while nothing gets through wants to leave.
import { ClientError, type RemoteProcess, type SignalName } from "../../client/index.ts";
import { messageOf } from "../../text.ts";

/** Whether a terminal sends it: then to the whole group, as a terminal does. */
const relayed: ReadonlyMap<SignalName, boolean> = new Map([
  ["SIGINT", true],
  ["SIGQUIT", true],
  ["SIGTERM", false],
  ["SIGUSR1", false],
  ["SIGUSR2", false],
]);

/** An agent that takes longer to answer is said to. */
const USUAL_ANSWER_MS = 500;

/** How long the output of a process that is over may take when somebody has signalled it. */
const LAST_OUTPUT_MS = 1_000;

/** So many may be without an answer; who sends one more has waited long enough. */
const MOST_UNANSWERED = 2;

export interface SignalRelayOptions {
  /** Whether signals cannot get through now. */
  readonly isDown: () => boolean;
  /** Called for the signal that shall end this command and not the process, which may be over. */
  readonly leave: (signal: SignalName, isOver: boolean) => void;
  readonly trouble: (message: string) => void;
}

/** From its construction to `stop`, these signals do not end this command by themselves. */
export class SignalRelay {
  readonly #options: SignalRelayOptions;
  readonly #listeners = new Map<SignalName, () => void>();
  #process: RemoteProcess | undefined;
  /** Came before there was a process to get it. */
  #early: SignalName | undefined;
  #earlyNotice: NodeJS.Timeout | undefined;
  #unanswered = 0;
  #processIsOver = false;
  #lastOutput: NodeJS.Timeout | undefined;

  constructor(options: SignalRelayOptions) {
    this.#options = options;
    for (const name of [...relayed.keys(), "SIGHUP"] as const) {
      const listener = (): void => this.#receive(name);
      this.#listeners.set(name, listener);
      process.on(name, listener);
    }
  }

  attach(remote: RemoteProcess): void {
    this.#process = remote;
    clearTimeout(this.#earlyNotice);
    if (this.#early !== undefined) void this.#send(remote, this.#early);
  }

  stop(): void {
    clearTimeout(this.#earlyNotice);
    clearTimeout(this.#lastOutput);
    for (const [name, listener] of this.#listeners) process.off(name, listener);
  }

  #receive(name: SignalName): void {
    if (name === "SIGHUP" || this.#isStuck()) this.#options.leave(name, this.#processIsOver);
    else if (this.#process !== undefined) void this.#send(this.#process, name);
    else this.#keepForStart(name);
  }

  #keepForStart(name: SignalName): void {
    this.#early = name;
    const notice = `the agent has not answered yet; ${name} is passed on once it does, one more ends this command`;
    this.#earlyNotice = setTimeout(() => this.#options.trouble(notice), USUAL_ANSWER_MS);
  }

  #isStuck(): boolean {
    if (this.#process === undefined) return this.#early !== undefined;
    return this.#options.isDown() || this.#processIsOver || this.#unanswered >= MOST_UNANSWERED;
  }

  async #send(remote: RemoteProcess, name: SignalName): Promise<void> {
    this.#unanswered++;
    try {
      await remote.signal(name, { group: relayed.get(name) === true });
    } catch (error) {
      const code = error instanceof ClientError ? error.code : undefined;
      if (code === "not_found") this.#awaitLastOutput(name);
      else if (code !== "canceled") this.#options.trouble(`${name} was not sent: ${messageOf(error)}`);
    } finally {
      this.#unanswered--;
    }
  }

  /** It has ended, and its output is on its way, if anybody reads that. Who does not want to wait signals once more. */
  #awaitLastOutput(name: SignalName): void {
    this.#processIsOver = true;
    this.#lastOutput ??= setTimeout(() => this.#options.leave(name, true), LAST_OUTPUT_MS);
  }
}
