// Copies text. Without a secure context browsers have no clipboard object, but the old command works in the
// event of a key or a click.

import { say } from "../session/state.ts";
import { strings } from "../strings.ts";

export async function copyText(text: string, done: string = strings.copied): Promise<void> {
  const isCopied = navigator.clipboard === undefined ? copyByCommand(text) : await copyByObject(text);
  say(isCopied ? done : strings.copyFailed, !isCopied);
}

async function copyByObject(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Not permitted here; the command may be.
    return copyByCommand(text);
  }
}

function copyByCommand(text: string): boolean {
  const before = document.activeElement;
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "unseen";
  document.body.append(area);
  area.select();
  const isCopied = document.execCommand("copy");
  area.remove();
  if (before instanceof HTMLElement) before.focus();
  return isCopied;
}

/** Saves `blob` as a file of the user's machine. */
export function saveBlob(blob: Blob, name: string): void {
  const address = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  // The browser has begun to read it by then.
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
