// A moment as `--since` takes it, as in docker: how long ago, or a date.

import { InvalidArgumentError } from "commander";
import { readDurationMs } from "./values.ts";

export type Moment =
  | { readonly kind: "ago"; readonly agoMs: number }
  /** Since the epoch. */
  | { readonly kind: "at"; readonly atMs: number };

/** "10m", "1h30m", "2026-11-28T10:00:00Z", "2026-11-28", or seconds since the epoch. */
export function readMoment(text: string): Moment {
  const parts = text.match(/\d+(?:\.\d+)?(?:ms|s|m|h)/g) ?? [];
  if (parts.length > 0 && parts.join("") === text)
    return { kind: "ago", agoMs: parts.reduce((sum, part) => sum + readDurationMs(part), 0) };
  if (/^\d{9,11}(\.\d+)?$/.test(text)) return { kind: "at", atMs: Number(text) * 1000 };
  // Date.parse alone takes almost every text.
  const isDate = /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?$/.test(text);
  const atMs = isDate ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(atMs)) return { kind: "at", atMs };
  throw new InvalidArgumentError(
    "It is how long ago (10m, 1h30m), a date (2026-11-28T10:00:00Z) or seconds since 1970.",
  );
}
