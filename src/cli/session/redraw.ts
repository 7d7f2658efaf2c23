// Makes a full-screen program draw its screen again: programs do so when the size changes.

import { setTimeout as sleep } from "node:timers/promises";
import type { PtySize, RemoteProcess } from "../../client/index.ts";

/** A program that draws does so within this time, also on a busy machine; one that does not draw costs nothing but this. */
const MAX_DRAWING_MS = 300;
/** Of a larger output, the first piece has arrived: time for a program that looks at its size once more before it draws. */
const SETTLING_MS = 30;

/**
 * Sets `size`, by way of another one if the pty has it already. The program has to see the first size: two
 * changes in a row would be none to it (ncurses compares).
 */
export async function redraw(
  remote: RemoteProcess,
  size: PtySize,
  { isSame, nextOutput }: { readonly isSame: boolean; readonly nextOutput: () => Promise<void> },
): Promise<void> {
  if (isSame) {
    await remote.resize({ ...size, rows: size.rows === 1 ? 2 : size.rows - 1 });
    await Promise.race([nextOutput(), sleep(MAX_DRAWING_MS, undefined, { ref: false })]);
    await sleep(SETTLING_MS, undefined, { ref: false });
  }
  await remote.resize(size);
}
