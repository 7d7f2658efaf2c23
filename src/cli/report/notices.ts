// Notices: lines on stderr that are neither output nor an error. --quiet silences them, before or after the command.

import { oneLine } from "../../text.ts";
import { styled } from "./style.ts";

let isSilent = false;

export function silenceNotices(): void {
  isSilent = true;
}

export function areNoticesSilent(): boolean {
  return isSilent;
}

export function printNotice(text: string): void {
  if (!isSilent) process.stderr.write(`${styled("yellow", `holdfast: ${oneLine(text)}`, process.stderr)}\n`);
}
