// The progress of transfers for the user: a bar on a terminal, notices of a lost connection, and
// with --json one object per line on stdout.

import type { TransferReconnect } from "../../client/index.ts";
import { describeLoss } from "../connect/client-failure.ts";
import { areNoticesSilent, printNotice } from "../report/notices.ts";
import { writeOut } from "../report/report.ts";
import { canDraw, columnsOf } from "../report/terminal-width.ts";
import { type BarState, barLine } from "./progress-bar.ts";

export interface TransferView {
  /** Whether a total is worth looking for. */
  readonly showsBar: boolean;
  begin(name: string, totalBytes: number | undefined): void;
  /** Bytes since `begin`. */
  moved(bytes: number): void;
  /** The connection is lost; each try. */
  reconnecting(reconnect: Pick<TransferReconnect, "reason">): void;
  /** The transfer is complete. */
  end(bytes: number): void;
  /** Erases an unfinished bar. */
  stop(): void;
  /** A line of --json. Resolves when stdout has accepted it. */
  reportEvent(event: string, fields: object): Promise<void>;
}

const REDRAW_MS = 200;
/** The rate is that of the last seconds. */
const RATE_MS = 3_000;

export function transferView(isJson: boolean): TransferView {
  const showsBar = !isJson && canDraw(process.stderr) && !areNoticesSilent();
  const bar = showsBar ? new Bar() : undefined;
  let isDown = false;
  const reportEvent = async (event: string, fields: object): Promise<void> => {
    if (isJson) await writeOut(process.stdout, `${JSON.stringify({ event, ...fields })}\n`);
  };
  return {
    showsBar,
    reportEvent,
    begin: (name, totalBytes) => bar?.begin(name, totalBytes),
    moved: (bytes) => {
      if (isDown) {
        isDown = false;
        bar?.erase();
        if (!isJson) printNotice("reconnected: the transfer continues");
      }
      bar?.moved(bytes);
    },
    reconnecting: ({ reason }) => {
      if (isDown) return;
      isDown = true;
      const why = describeLoss(reason);
      bar?.erase();
      if (!isJson) printNotice(`the connection is lost (${why}): reconnecting`);
      // If the reader is gone, the next line reports it.
      else reportEvent("reconnecting", { reason: why }).catch(() => undefined);
    },
    end: (bytes) => {
      isDown = false;
      bar?.end(bytes);
    },
    stop: () => bar?.erase(),
  };
}

class Bar {
  #state: { readonly name: string; readonly totalBytes: number | undefined; readonly startedMs: number } = {
    name: "",
    totalBytes: undefined,
    startedMs: 0,
  };
  #bytes = 0;
  #samples: { readonly atMs: number; readonly bytes: number }[] = [];
  #drawnMs = 0;
  #isShown = false;

  begin(name: string, totalBytes: number | undefined): void {
    this.#state = { name, totalBytes, startedMs: performance.now() };
    this.#bytes = 0;
    this.#samples = [{ atMs: this.#state.startedMs, bytes: 0 }];
    this.#draw(false);
  }

  moved(bytes: number): void {
    this.#bytes = bytes;
    const nowMs = performance.now();
    if (nowMs - this.#drawnMs >= REDRAW_MS) this.#draw(false);
  }

  end(bytes: number): void {
    this.#bytes = bytes;
    this.#draw(true);
    process.stderr.write("\n");
    this.#isShown = false;
  }

  erase(): void {
    if (this.#isShown) process.stderr.write("\r\u001b[K");
    this.#isShown = false;
  }

  #draw(isDone: boolean): void {
    const nowMs = performance.now();
    this.#drawnMs = nowMs;
    const { name, totalBytes, startedMs } = this.#state;
    const bytes = this.#bytes;
    this.#samples.push({ atMs: nowMs, bytes });
    while (this.#samples.length > 2 && nowMs - (this.#samples[0]?.atMs ?? 0) > RATE_MS) this.#samples.shift();
    const from = isDone ? { atMs: startedMs, bytes: 0 } : (this.#samples[0] ?? { atMs: startedMs, bytes: 0 });
    const bytesPerSecond = ((bytes - from.bytes) / Math.max(1, nowMs - from.atMs)) * 1000;
    const state: BarState = {
      ...{ name, bytes, totalBytes, bytesPerSecond, isDone },
      elapsedMs: nowMs - startedMs,
    };
    process.stderr.write(`\r${barLine(state, columnsOf(process.stderr) ?? 80)}\u001b[K`);
    this.#isShown = true;
  }
}
