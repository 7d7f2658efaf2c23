// The terminal this command runs on, lent to a process that runs on a pty: raw keys there, its size followed.
import type { RemoteProcess } from "../../client/index.ts";
import type { RawMode } from "../../linux/index.ts";
import { onWindowResize, windowSize } from "./window-size.ts";

export interface TerminalSettings {
  /** Nothing is shown here: neither keys nor size are this terminal's. */
  readonly json: boolean;
  readonly input: boolean;
  readonly isOurs: boolean;
}

export interface Terminal {
  readonly isRaw: boolean;
  /** The process's terminal becomes as large as this one. */
  sendSize(): void;
  /** Puts the terminal back as it was. Repeatable. */
  close(): void;
}

export async function openTerminal(remote: RemoteProcess, settings: TerminalSettings): Promise<Terminal> {
  if (!remote.isPty || settings.json)
    return { isRaw: false, sendSize: () => undefined, close: () => undefined };
  const raw = settings.input && process.stdin.isTTY === true ? await enterRaw() : undefined;
  const sendSize = (): void => {
    const size = windowSize();
    // It ended, or cannot be reached: whoever is back sends it again.
    if (size !== undefined) remote.resize(size).catch(() => undefined);
  };
  // It may have changed since the start was asked for.
  if (settings.isOurs) sendSize();
  else void redraw(remote).then(sendSize);
  return { isRaw: raw !== undefined, sendSize, close: follow(raw, sendSize) };
}

/** Loaded only here: on pipes nobody needs libc. */
async function enterRaw(): Promise<RawMode> {
  const { enterRawMode } = await import("../../linux/index.ts");
  return enterRawMode(process.stdin.fd);
}

/** A program draws its screen anew only when the size changes, and it may have been this size before. */
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
