// The terminal that this command runs on, used by a process on a pty: raw mode while attached, and the pty gets its size.

import { isatty } from "node:tty";
import type { PtySize, RemoteProcess } from "../../client/index.ts";
import type { RawMode } from "../../linux/index.ts";

export interface TerminalSettings {
  /** The output is not shown here, so neither keys nor size of this terminal apply. */
  readonly json: boolean;
  readonly input: boolean;
  readonly endsWithUs: boolean;
}

export interface Terminal {
  readonly isRaw: boolean;
  /** Sets the size of the pty to the size of this terminal. */
  sendSize(): void;
  /** Restores the mode of the terminal. Repeatable. */
  close(): void;
}

export async function openTerminal(remote: RemoteProcess, settings: TerminalSettings): Promise<Terminal> {
  if (!remote.isPty || settings.json)
    return { isRaw: false, sendSize: () => undefined, close: () => undefined };
  // isatty does not touch stdin, which belongs to others unless it is input.
  const raw = settings.input && isatty(0) ? await enterRaw() : undefined;
  const sendSize = (): void => {
    const size = windowSize();
    // Fails if the process has ended or cannot be reached; after a reconnect the size is sent again.
    if (size !== undefined) remote.resize(size).catch(() => undefined);
  };
  // The size may have changed since the start was requested.
  if (settings.endsWithUs) sendSize();
  else void redraw(remote).then(sendSize);
  return { isRaw: raw !== undefined, sendSize, close: follow(raw, sendSize) };
}

/** Loads libc only here: sessions on pipes do not need it. */
async function enterRaw(): Promise<RawMode> {
  const { enterRawMode } = await import("../../linux/index.ts");
  return enterRawMode(0);
}

/** Programs redraw their screen only when the size changes, and the pty may already have this size. */
async function redraw(remote: RemoteProcess): Promise<void> {
  const size = windowSize();
  if (size !== undefined) await remote.resize({ ...size, rows: size.rows + 1 }).catch(() => undefined);
}

function follow(raw: RawMode | undefined, sendSize: () => void): () => void {
  const stopFollowing = onWindowResize(sendSize);
  const continued = (): void => {
    raw?.enterAgain();
    sendSize();
  };
  process.on("SIGCONT", continued);
  return () => {
    process.off("SIGCONT", continued);
    stopFollowing();
    raw?.leave();
  };
}

/** The usual size of a terminal, for programs that do not know theirs. */
export const DEFAULT_SIZE: PtySize = { cols: 80, rows: 24 };

/** undefined if neither stdout nor stderr is a terminal that knows its size. */
export function windowSize(): PtySize | undefined {
  const terminal = sizedStream();
  if (terminal === undefined) return undefined;
  const { columns: cols, rows } = terminal;
  // A terminal whose size was never set has 0 (serial lines, `script` without a terminal).
  return cols > 0 && rows > 0 ? { cols, rows } : undefined;
}

/** Returns the function that stops it. */
function onWindowResize(listener: () => void): () => void {
  const terminal = sizedStream();
  // Node emits it on SIGWINCH, after it has read the new size.
  terminal?.on("resize", listener);
  return () => void terminal?.off("resize", listener);
}

function sizedStream(): NodeJS.WriteStream | undefined {
  return [process.stdout, process.stderr].find(({ isTTY }) => isTTY === true);
}
