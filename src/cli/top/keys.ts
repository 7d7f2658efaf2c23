// The keys of `holdfast top` and their effect on the view. No I/O.

import type { SortKey } from "./rates.ts";

export type Action =
  | { readonly kind: "quit" | "attach" | "logs" | "signal" | "keys" | "suspend" }
  | { readonly kind: "move" | "page"; readonly by: number }
  | { readonly kind: "sort"; readonly key: SortKey };

const actions: Readonly<Record<string, Action>> = {
  q: { kind: "quit" },
  "\u0003": { kind: "quit" },
  "\u0004": { kind: "quit" },
  "\u001b[A": { kind: "move", by: -1 },
  "\u001bOA": { kind: "move", by: -1 },
  k: { kind: "move", by: -1 },
  "\u001b[B": { kind: "move", by: 1 },
  "\u001bOB": { kind: "move", by: 1 },
  j: { kind: "move", by: 1 },
  "\u001b[5~": { kind: "page", by: -1 },
  "\u001b[6~": { kind: "page", by: 1 },
  // Home and End, as terminals send them.
  "\u001b[H": { kind: "move", by: Number.NEGATIVE_INFINITY },
  "\u001b[1~": { kind: "move", by: Number.NEGATIVE_INFINITY },
  g: { kind: "move", by: Number.NEGATIVE_INFINITY },
  "\u001b[F": { kind: "move", by: Number.POSITIVE_INFINITY },
  "\u001b[4~": { kind: "move", by: Number.POSITIVE_INFINITY },
  G: { kind: "move", by: Number.POSITIVE_INFINITY },
  a: { kind: "attach" },
  "\r": { kind: "attach" },
  l: { kind: "logs" },
  s: { kind: "signal" },
  h: { kind: "keys" },
  "?": { kind: "keys" },
  "\u001a": { kind: "suspend" },
  c: { kind: "sort", key: "cpu" },
  m: { kind: "sort", key: "memory" },
  o: { kind: "sort", key: "output" },
  p: { kind: "sort", key: "pid" },
  t: { kind: "sort", key: "age" },
};

/** A key that is a sequence (CSI, SS3), or one character. */
const keyPattern = new RegExp(`${String.fromCharCode(0x1b)}(?:\\[[\\d;]*[A-Za-z~]|O[A-Z])|[\\s\\S]`, "gu");

/** The keys of one read: cursor keys are several bytes, and keys that were typed ahead arrive together. */
export function keysIn(typed: string): string[] {
  return typed.match(keyPattern) ?? [];
}

export function actionOf(key: string): Action | undefined {
  return actions[key];
}
