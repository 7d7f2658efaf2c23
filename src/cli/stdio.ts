// stdout and stderr of the agent, whose readers may stop reading or go away (`holdfast serve | head -1`, a closed
// terminal, a full disk). Neither may end the agent, spin it, stall it or make it grow.

/**
 * Makes a failed write to stdout or stderr mean a lost line. Node ignores SIGPIPE and reports EPIPE as an "error" event,
 * which ends the process unless somebody listens; it revives these two streams after each error, so that the next
 * write is one more try (a full disk may have room again), never a loop.
 */
export function outliveReaders(): void {
  process.stdout.on("error", lineLost);
  process.stderr.on("error", lineLost);
}

function lineLost(): void {
  // There is no third place to say it.
}

/** One line for the person who typed the command: the line breaks and control characters of a quoted value become blanks. */
export function printError(message: string): void {
  process.stderr.write(`holdfast: ${message.trim().replace(/\p{Cc}+/gu, " ")}\n`);
}

/** Long enough for a reader that reads, short for an operator who waits. */
const FLUSH_MS = 250;

/** Ends the process with `exitCode` once both streams are written out, or cannot be within FLUSH_MS. */
export async function endAfterFlush(exitCode: number): Promise<never> {
  await Promise.race([
    Promise.all([flushed(process.stdout), flushed(process.stderr)]),
    new Promise((resolve) => setTimeout(resolve, FLUSH_MS)),
  ]);
  process.exit(exitCode);
}

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  if (stream.writableLength === 0) return Promise.resolve();
  return new Promise((resolve) => stream.write("", () => resolve()));
}
