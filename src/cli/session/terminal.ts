// The terminal that this command runs on, used by a process on a pty: raw mode while attached, and the pty gets its size.

import { isatty } from "node:tty";
import type { PtySize, RemoteProcess } from "../../client/index.ts";
import type { RawMode } from "../../linux/index.ts";
import { sizeOf } from "../report/terminal-width.ts";
import { followSuspension } from "../suspension.ts";
import { redraw } from "./redraw.ts";
import type { TerminalModes } from "./terminal-modes.ts";

export interface TerminalSettings {
  /** The output is not shown here, so neither keys nor size of this terminal apply. */
  readonly json: boolean;
  readonly input: boolean;
  readonly endsWithUs: boolean;
}

export interface Terminal {
  readonly isRaw: boolean;
  /** Sends the size, which may have changed meanwhile; a full-screen program draws over the notices. */
  reconnected(): void;
  /** Restores the modes of the terminal. Repeatable. */
  close(): void;
}

export async function openTerminal(
  remote: RemoteProcess,
  settings: TerminalSettings,
  modes: TerminalModes,
): Promise<Terminal> {
  if (!remote.isPty || settings.json)
    return { isRaw: false, reconnected: () => undefined, close: () => undefined };
  // isatty does not touch stdin, which belongs to others unless it is input.
  const raw = settings.input && isatty(0) ? await enterRaw() : undefined;
  const sendSize = (): void => {
    const size = windowSize();
    // Fails if the process has ended or cannot be reached; after a reconnect the size is sent again.
    if (size !== undefined) remote.resize(size).catch(() => undefined);
  };
  const drawAgain = (isSame: boolean): void => {
    const size = windowSize();
    const { nextOutput } = modes;
    if (size !== undefined) redraw(remote, size, { isSame, nextOutput }).catch(() => undefined);
  };
  modes.onJump = () => drawAgain(true);
  // The size may have changed since the start was requested.
  if (settings.endsWithUs) sendSize();
  else drawAgain(isSameSize(remote.terminal?.size));
  return {
    isRaw: raw !== undefined,
    reconnected: () => (modes.isFullScreen ? drawAgain(true) : sendSize()),
    close: follow({ raw, modes, sendSize, drawAgain }),
  };
}

/** Loads libc only here: sessions on pipes do not need it. */
async function enterRaw(): Promise<RawMode> {
  const { enterRawMode } = await import("../../linux/index.ts");
  return enterRawMode(0);
}

/** Unknown sizes may be the same. */
function isSameSize(other: PtySize | undefined): boolean {
  const size = windowSize();
  return other === undefined || (size?.cols === other.cols && size.rows === other.rows);
}

interface Followed {
  readonly raw: RawMode | undefined;
  readonly modes: TerminalModes;
  readonly sendSize: () => void;
  readonly drawAgain: (isSame: boolean) => void;
}

function follow({ raw, modes, sendSize, drawAgain }: Followed): () => void {
  const stopFollowing = onWindowResize(() => {
    modes.resized();
    sendSize();
  });
  const suspension = followSuspension({
    suspend: () => {
      modes.suspend();
      raw?.leave();
    },
    resume: () => {
      // In the background, this stops the process again, until it is in the foreground.
      raw?.enterAgain();
      modes.resume();
      // A size that changed meanwhile brought no SIGWINCH here: that goes to the foreground.
      drawAgain(true);
    },
  });
  return () => {
    suspension.close();
    stopFollowing();
    modes.close();
    raw?.leave();
  };
}

/** The usual size of a terminal, for programs that do not know theirs. */
export const DEFAULT_SIZE: PtySize = { cols: 80, rows: 24 };

/** undefined if neither stdout nor stderr is a terminal that knows its size. */
export function windowSize(): PtySize | undefined {
  const terminal = sizedStream();
  const size = terminal === undefined ? undefined : sizeOf(terminal);
  return size === undefined ? undefined : { cols: size.columns, rows: size.rows };
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
