// `holdfast top` on a terminal: draws the table on the alternate screen, and reacts to keys. The screen and the mode of
// the terminal are restored in every way that this ends.

import { constants } from "node:os";
import type { Client, SignalName } from "../../client/index.ts";
import { readSignal } from "../commands/signal-words.ts";
import { padEnd, truncate } from "../commands/text-table.ts";
import { flagWordsOfChosenAgent } from "../connect/chosen-agent.ts";
import { exitCodes } from "../exit-codes.ts";
import { sizeOf } from "../report/terminal-width.ts";
import { followSuspension, type Suspension } from "../suspension.ts";
import { type Action, actionOf, keysIn } from "./keys.ts";
import { type Row, ratesOf, type Sample, type SortKey, sorted } from "./rates.ts";
import { sample, type TopFlags } from "./sampling.ts";
import { tableLines } from "./table.ts";

const ENTER_SCREEN = "\u001b[?1049h\u001b[?25l";
const LEAVE_SCREEN = "\u001b[?25h\u001b[?1049l";
const HOME = "\u001b[H";
const CLEAR_REST_OF_LINE = "\u001b[K";
const CLEAR_BELOW = "\u001b[J";
const REVERSE = "\u001b[7m";
const PLAIN = "\u001b[0m";

const KEYS = "up, down, page up, page down; sort: c cpu, m memory, o output, p pid, t age; ctrl-z suspends";
/** For terminals that do not know their size. */
const DEFAULT_SIZE = { columns: 80, rows: 24 };

const SIGNALS = ["SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT"] as const;

type Run = (words: readonly string[]) => Promise<number>;

/** Resolves with the exit code. */
export async function watchLive(client: Client, flags: TopFlags, run: Run): Promise<number> {
  const view = new LiveView(client, flags, run);
  try {
    return await view.watch();
  } finally {
    view.close();
  }
}

class LiveView {
  readonly #client: Client;
  readonly #flags: TopFlags;
  readonly #run: Run;
  #sort: SortKey;
  #before: Sample | undefined;
  #rows: readonly Row[] = [];
  /** By process_id: the table is sorted anew each time. */
  #chosen: string | undefined;
  #message = "";
  /** The signal that is being typed. */
  #signal: string | undefined;
  /** Keys that were typed and not handled yet. */
  #pending: string[] = [];
  #isListing = false;
  #wake: (() => void) | undefined;
  /** Aborted when the view ends; also a list that the agent does not answer. */
  readonly #ending = new AbortController();
  #exitCode: number = exitCodes.done;
  #isOpen = false;
  #suspension: Suspension | undefined;

  constructor(client: Client, flags: TopFlags, run: Run) {
    this.#client = client;
    this.#flags = flags;
    this.#run = run;
    this.#sort = flags.sort;
  }

  async watch(): Promise<number> {
    this.#before = await sample(this.#client);
    this.#open();
    try {
      while (!this.#hasEnded) {
        await this.#refresh();
        await this.#untilDue();
      }
    } catch (error) {
      if (!this.#hasEnded) throw error;
    }
    return this.#exitCode;
  }

  get #hasEnded(): boolean {
    return this.#ending.signal.aborted;
  }

  close(): void {
    this.#suspension?.close();
    this.#suspension = undefined;
    this.#hide();
  }

  readonly #hide = (): void => {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    process.off("exit", this.#hide).off("uncaughtExceptionMonitor", this.#hide);
    process.stdin.off("data", this.#onTyped).off("end", this.#end).pause();
    for (const signal of SIGNALS) process.off(signal, this.#endBySignal);
    process.stdout.off("resize", this.#draw);
    if (process.stdin.isTTY === true) process.stdin.setRawMode(false);
    process.stdout.write(LEAVE_SCREEN);
  };

  #open(): void {
    this.#suspension = followSuspension({
      suspend: this.#hide,
      // After SIGSTOP, the shell may have changed the terminal.
      resume: () => {
        this.#hide();
        this.#show();
        this.#draw();
      },
    });
    this.#show();
  }

  #show(): void {
    this.#isOpen = true;
    process.on("exit", this.#hide).on("uncaughtExceptionMonitor", this.#hide);
    process.stdout.write(ENTER_SCREEN);
    process.stdin.setRawMode(true);
    process.stdin.on("data", this.#onTyped).on("end", this.#end).resume();
    for (const signal of SIGNALS) process.on(signal, this.#endBySignal);
    process.stdout.on("resize", this.#draw);
  }

  readonly #end = (): void => {
    this.#ending.abort();
    this.#wake?.();
  };

  readonly #endBySignal = (name: NodeJS.Signals): void => {
    this.#exitCode = exitCodes.interrupted(constants.signals[name]);
    this.#end();
  };

  async #refresh(): Promise<void> {
    this.#isListing = true;
    const now = await sample(this.#client, this.#ending.signal);
    this.#isListing = false;
    this.#rows = sorted(ratesOf(this.#before ?? now, now), this.#sort);
    this.#before = now;
    this.#draw();
  }

  /** Until the interval is over; keys that need no new list are handled meanwhile. */
  async #untilDue(): Promise<void> {
    const dueAtMs = performance.now() + this.#flags.interval;
    while (!this.#hasEnded) {
      const key = this.#pending.shift();
      if (key !== undefined) {
        await this.#press(key);
        continue;
      }
      const leftMs = dueAtMs - performance.now();
      if (leftMs <= 0) return;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#wake = undefined;
    }
  }

  readonly #onTyped = (data: Buffer): void => {
    const keys = keysIn(data.toString());
    // Other keys wait for the list. The agent may never send it.
    const quits = this.#isListing && this.#signal === undefined;
    if (quits && keys.some((key) => actionOf(key)?.kind === "quit")) this.#end();
    this.#pending.push(...keys);
    this.#wake?.();
  };

  async #press(key: string): Promise<void> {
    if (this.#signal !== undefined) await this.#typeSignal(key, this.#signal);
    else {
      const action = actionOf(key);
      if (action !== undefined) await this.#act(action);
    }
    this.#draw();
  }

  async #act(action: Action): Promise<void> {
    const row = this.#rows[this.#index];
    this.#message = "";
    if (action.kind === "quit") this.#end();
    else if (action.kind === "move") this.#move(action.by);
    else if (action.kind === "page") this.#move(action.by * this.#roomIn(this.#height));
    else if (action.kind === "keys") this.#message = KEYS;
    else if (action.kind === "suspend") this.#suspension?.suspend();
    else if (action.kind === "sort") {
      this.#sort = action.key;
      this.#rows = sorted(this.#rows, this.#sort);
    } else if (row !== undefined && action.kind === "signal") {
      this.#chosen = row.info.processId;
      this.#signal = "";
    } else if (row !== undefined && action.kind === "attach")
      await this.#leaveFor(["attach", row.info.processId], false);
    else if (row !== undefined && action.kind === "logs")
      await this.#leaveFor(
        ["logs", "--tail", String(Math.max(10, this.#height - 2)), row.info.processId],
        true,
      );
  }

  #move(by: number): void {
    const index = Math.min(Math.max(this.#index + by, 0), this.#rows.length - 1);
    this.#chosen = this.#rows[index]?.info.processId;
  }

  get #height(): number {
    return (sizeOf(process.stdout) ?? DEFAULT_SIZE).rows;
  }

  get #index(): number {
    return Math.max(
      0,
      this.#rows.findIndex(({ info }) => info.processId === this.#chosen),
    );
  }

  /** Runs another command on the usual screen, then returns. */
  async #leaveFor(words: readonly string[], waitsForKey: boolean): Promise<void> {
    this.close();
    // A paused stdin would stay paused for the other command's listener.
    process.stdin.resume();
    await this.#run([...flagWordsOfChosenAgent(), ...words]);
    if (process.stdin.readableEnded || process.stdin.destroyed) return this.#end();
    if (waitsForKey) await this.#untilKey();
    this.#pending = [];
    if (!this.#hasEnded) this.#open();
  }

  async #untilKey(): Promise<void> {
    process.stdout.write(`${REVERSE}press a key to return to top${PLAIN}`);
    process.stdin.setRawMode(true);
    for (const signal of SIGNALS) process.on(signal, this.#endBySignal);
    await new Promise<void>((resolve) => {
      this.#ending.signal.addEventListener("abort", () => resolve());
      process.stdin
        .resume()
        .once("data", () => resolve())
        .once("end", resolve);
    });
    for (const signal of SIGNALS) process.off(signal, this.#endBySignal);
    process.stdin.setRawMode(false);
    process.stdout.write("\r\u001b[K");
  }

  /** Enter sends it (SIGTERM if nothing was typed), Escape does not. */
  async #typeSignal(key: string, typed: string): Promise<void> {
    if (key === "\u001b" || key === "\u0003") this.#signal = undefined;
    else if (key === "\r") await this.#send(typed === "" ? "TERM" : typed);
    else if (key === "\u007f") this.#signal = typed.slice(0, -1);
    else if (/^\w$/.test(key)) this.#signal = typed + key;
  }

  async #send(text: string): Promise<void> {
    this.#signal = undefined;
    const row = this.#rows[this.#index];
    if (row === undefined) return;
    try {
      const name: SignalName = readSignal(text);
      await this.#client.signal(row.info.processId, name, { signal: this.#ending.signal });
      this.#message = `${name} (${constants.signals[name]}) sent to ${row.info.pid}`;
    } catch (error) {
      this.#message = error instanceof Error ? error.message : String(error);
    }
  }

  readonly #draw = (): void => {
    if (!this.#isOpen) return;
    const { columns: width, rows: height } = sizeOf(process.stdout) ?? DEFAULT_SIZE;
    const [headings = "", ...lines] = tableLines(this.#rows, Date.now(), width);
    const title = `${this.#rows.length} running, sorted by ${this.#sort}. ${this.#prompt}`;
    // The row that is chosen stays in view.
    const room = this.#roomIn(height);
    const first = Math.max(0, Math.min(this.#index - Math.floor(room / 2), lines.length - room));
    const shown = lines
      .slice(first, first + room)
      .map((line) => truncate(line, width))
      .map((line, at) => (first + at === this.#index ? `${REVERSE}${padEnd(line, width)}${PLAIN}` : line));
    // A line that wraps, or one too many, would scroll the screen.
    const screen = [...[title, headings].map((line) => truncate(line, width)), ...shown]
      .slice(0, height)
      .map((line) => `${line}${CLEAR_REST_OF_LINE}`);
    process.stdout.write(`${HOME}${screen.join("\r\n")}${CLEAR_BELOW}`);
  };

  /** The number of processes that are shown. */
  #roomIn(height: number): number {
    return Math.max(1, height - 3);
  }

  get #prompt(): string {
    if (this.#signal !== undefined) return `Signal (Enter: TERM, Escape: none): ${this.#signal}`;
    return this.#message === "" ? "a attach, s signal, l output, h keys, q end" : this.#message;
  }
}
