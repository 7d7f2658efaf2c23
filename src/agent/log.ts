// The agent's log on stderr: JSON lines, or lines for people. A reader that stops reading costs log lines, never
// memory or time: the waiting bytes are bounded, lines beyond that are dropped, and the log reports their number.

import { pino } from "pino";
import { startTimer } from "../clock.ts";
import type { Logger } from "../logger.ts";
import type { LogSettings } from "./settings.ts";

export async function createLogger({ level, format }: LogSettings): Promise<Logger> {
  const isPretty = format === "pretty" || (format === "auto" && process.stderr.isTTY === true);
  const render = isPretty ? await prettyRenderer() : (line: string) => line;
  const lines = boundedLines(render, (dropped) => {
    logger.warn({ dropped }, "log lines dropped: stderr was not read");
  });
  const logger = pino(
    {
      level,
      // Leaves out pid and host name: in these lines, `pid` is the pid of a process that the agent started.
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: pino.stdSerializers.err },
    },
    lines,
  );
  return logger;
}

/** Enough for a reader that reads. */
const FLUSH_MS = 50;

/**
 * Resolves when the log is written, at most FLUSH_MS later: lines that wait in this program are
 * lost when another one takes its place.
 */
export function logWritten(): Promise<void> {
  if (process.stderr.writableLength === 0) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = startTimer(FLUSH_MS, resolve);
    process.stderr.write("", () => {
      timer.cancel();
      resolve();
    });
  });
}

/** Loads pino-pretty only here: an agent that runs as a service saves its 20 ms and its memory. */
async function prettyRenderer(): Promise<(line: string) => string> {
  const { prettyFactory } = await import("pino-pretty");
  return prettyFactory({
    colorize: process.stderr.isTTY === true && process.stderr.hasColors(),
    translateTime: "SYS:HH:MM:ss.l",
    singleLine: true,
  });
}

const MAX_WAITING_BYTES = 1024 * 1024;

/**
 * stderr, as the destination of pino. pino's own destination does not do: its synchronous write blocks the whole agent
 * when stderr is a full pipe, and its asynchronous one leaves a thread in write(2), for which process.exit() waits
 * (Node 20: for as long as the pipe stays full). process.stderr does neither on a pipe, a socket or a terminal (see
 * neverWaitForTerminals in src/cli/stdio.ts); on a file it is synchronous.
 */
function boundedLines(
  render: (line: string) => string,
  report: (dropped: number) => void,
): { write(line: string): void } {
  let dropped = 0;
  const reportDropped = (): void => {
    if (dropped === 0) return;
    const count = dropped;
    // Reset first: the report itself passes through `write`.
    dropped = 0;
    report(count);
  };
  // Also without a further line.
  process.stderr.on("drain", reportDropped);
  return {
    write(line) {
      if (process.stderr.writableLength > MAX_WAITING_BYTES) {
        dropped += 1;
        return;
      }
      reportDropped();
      process.stderr.write(render(line));
    },
  };
}
