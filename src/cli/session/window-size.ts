// The size of the terminal this command runs on, and its changes.
import type { PtySize } from "../../client/index.ts";

/** What programs take a terminal of unknown size for. */
export const USUAL_SIZE: PtySize = { cols: 80, rows: 24 };

/** undefined where neither stdout nor stderr is a terminal that knows its size. */
export function windowSize(): PtySize | undefined {
  const terminal = sizedStream();
  if (terminal === undefined) return undefined;
  const { columns: cols, rows } = terminal;
  // A terminal nobody told its size says 0 (serial lines, `script` without a terminal).
  return cols > 0 && rows > 0 ? { cols, rows } : undefined;
}

/** Returns what ends it. */
export function onWindowResize(listener: () => void): () => void {
  const terminal = sizedStream();
  // Node tells it on SIGWINCH, once it has asked for the new size.
  terminal?.on("resize", listener);
  return () => void terminal?.off("resize", listener);
}

function sizedStream(): NodeJS.WriteStream | undefined {
  return [process.stdout, process.stderr].find(({ isTTY }) => isTTY === true);
}
