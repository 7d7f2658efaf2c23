// The line of a progress bar, as a function of the known numbers. No I/O.

import stringWidth from "string-width";
import { clockText, sizeText } from "../files/byte-text.ts";

export interface BarState {
  readonly name: string;
  readonly bytes: number;
  /** Undefined if it is not known. */
  readonly totalBytes: number | undefined;
  readonly bytesPerSecond: number;
  readonly elapsedMs: number;
  readonly isDone: boolean;
}

const MAX_NAME = 24;
const MIN_BAR = 6;
const MAX_BAR = 30;

/** At most `columns` wide. */
export function barLine(state: BarState, columns: number): string {
  const { bytes, totalBytes, bytesPerSecond, elapsedMs, isDone } = state;
  const rate = `${sizeText(bytesPerSecond)}/s`;
  const left = totalBytes === undefined ? undefined : ((totalBytes - bytes) / bytesPerSecond) * 1000;
  const time =
    isDone || left === undefined
      ? clockText(elapsedMs)
      : Number.isFinite(left)
        ? `${clockText(left)} left`
        : "-:-- left";
  const amount =
    totalBytes === undefined || isDone ? sizeText(bytes) : `${sizeText(bytes)} of ${sizeText(totalBytes)}`;
  const name = fitted(state.name, MAX_NAME);
  if (totalBytes === undefined) return fitted([name, amount, rate, time].join("  "), columns - 1);
  const share = isDone ? 1 : totalBytes === 0 ? 0 : Math.min(1, bytes / totalBytes);
  const percent = `${Math.floor(share * 100)}%`.padStart(4);
  const words = [name, percent, amount, rate, time].join("  ");
  const room = Math.min(MAX_BAR, columns - 1 - stringWidth(words) - 4);
  const bar = room < MIN_BAR ? [] : [drawn(share, room)];
  return fitted([name, ...bar, percent, amount, rate, time].join("  "), columns - 1);
}

/** With its brackets `width` cells wide. */
function drawn(share: number, width: number): string {
  const cells = width - 2;
  const full = Math.floor(share * cells);
  return `[${"#".repeat(full)}${"-".repeat(cells - full)}]`;
}

function fitted(text: string, width: number): string {
  const safe = text.replace(/\p{Cc}+/gu, " ");
  if (stringWidth(safe) <= width) return safe;
  let shown = "";
  for (const character of safe) {
    if (stringWidth(`${shown}${character}…`) > width) break;
    shown += character;
  }
  return `${shown}…`;
}
