// The agent's log on stderr: JSON lines, or lines for people. A reader that stops reading costs lines, never memory
// or time: what waits to be written is bounded, what does not fit is dropped, and the log says how much that was.
import { pino } from "pino";
import type { LogSettings } from "../cli/index.ts";
import type { Logger } from "../logger.ts";

export async function createLogger({ level, format }: LogSettings): Promise<Logger> {
  const forPeople = format === "pretty" || (format === "auto" && process.stderr.isTTY === true);
  const render = forPeople ? await linesForPeople() : (line: string) => line;
  const lines = boundedLines(render, (dropped) => {
    logger.warn({ dropped }, "log lines dropped: stderr was not read");
  });
  const logger = pino(
    {
      level,
      // No pid and host name in every line: `pid` is a process's.
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: pino.stdSerializers.err },
    },
    lines,
  );
  return logger;
}

/** Loaded only here: a service pays neither its 20 ms nor its memory. */
async function linesForPeople(): Promise<(line: string) => string> {
  const { prettyFactory } = await import("pino-pretty");
  return prettyFactory({
    colorize: process.stderr.isTTY === true && process.stderr.hasColors(),
    translateTime: "SYS:HH:MM:ss.l",
    singleLine: true,
  });
}

const MOST_WAITING_BYTES = 1024 * 1024;

/**
 * stderr as pino writes to it. Not pino's own destination: its synchronous write stalls the whole agent when stderr is a
 * pipe nobody reads, and its asynchronous one leaves a thread in write(2) that process.exit() waits for (Node 20: for as
 * long as the pipe is held). process.stderr on a pipe or socket does neither; on a file or terminal it is synchronous.
 */
function boundedLines(
  render: (line: string) => string,
  report: (dropped: number) => void,
): { write(line: string): void } {
  let dropped = 0;
  const sayDropped = (): void => {
    if (dropped === 0) return;
    const count = dropped;
    // Before the report, which comes through `write` itself.
    dropped = 0;
    report(count);
  };
  // For when no further line comes by.
  process.stderr.on("drain", sayDropped);
  return {
    write(line) {
      if (process.stderr.writableLength > MOST_WAITING_BYTES) {
        dropped += 1;
        return;
      }
      sayDropped();
      process.stderr.write(render(line));
    },
  };
}
