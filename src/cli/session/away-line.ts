// The line on the terminal while the connection is lost: the time since the loss, the time until
// the next try, and the keys. It is drawn in place each second, and removed when the connection is
// back.

import { styled } from "../report/style.ts";
import { canDraw, columnsOf } from "../report/terminal-width.ts";

const TICK_MS = 1_000;

/** To the first column; removes the line. */
const CLEAR = "\r\u001b[K";

/**
 * Up, and down by a line break: the cursor stays, and later output begins after a line break, as
 * without this line.
 */
const AFTER_LINE_BREAK = "\u001b[A\r\n";

export interface AwayLineOptions {
  /** Which keys help, such as "Ctrl-C leaves". Asked each time: it changes when the terminal becomes raw. */
  readonly keys: () => string;
  /** False: nothing is drawn. */
  readonly isShown: boolean;
}

export class AwayLine {
  readonly #options: AwayLineOptions;
  #timer: NodeJS.Timeout | undefined;
  #sinceMs = 0;
  #retryAtMs = 0;
  #isDrawn = false;

  constructor(options: AwayLineOptions) {
    this.#options = options;
  }

  /** The connection is lost, or a try has failed; the next try begins in `delayMs`. */
  waiting(delayMs: number): void {
    const nowMs = performance.now();
    this.#retryAtMs = nowMs + delayMs;
    if (this.#timer !== undefined || !this.#options.isShown) return;
    this.#sinceMs = nowMs;
    // A loss of less than a second needs no help.
    this.#timer = setInterval(() => this.#draw(), TICK_MS);
  }

  /** Removes the line. The next `waiting` is another loss. */
  clear(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.hide();
  }

  /** Makes room for another line; this one is drawn again with the next second. */
  hide(): void {
    if (this.#isDrawn) process.stderr.write(CLEAR + AFTER_LINE_BREAK);
    this.#isDrawn = false;
  }

  #draw(): void {
    const nowMs = performance.now();
    const awaySeconds = Math.round((nowMs - this.#sinceMs) / 1000);
    const retrySeconds = Math.ceil((this.#retryAtMs - nowMs) / 1000);
    const next = retrySeconds > 0 ? `next try in ${retrySeconds} s` : "trying";
    const text = `no connection for ${awaySeconds} s; ${next}; ${this.#options.keys()}`;
    if (!canDraw(process.stderr)) {
      clearInterval(this.#timer);
      process.stderr.write(`${text}\n`);
      return;
    }
    // A line that wraps could not be removed.
    const width = Math.max(10, (columnsOf(process.stderr) ?? 80) - 1);
    process.stderr.write(CLEAR + styled("yellow", text.slice(0, width), process.stderr));
    this.#isDrawn = true;
  }
}
