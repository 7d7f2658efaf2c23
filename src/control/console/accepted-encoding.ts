// Accept-Encoding (RFC 9110, 12.5.3) for files that are stored in several forms.

import type { Encoding } from "./manifest.ts";

/** The one of `available` that the client prefers, otherwise the first; undefined: the file itself. */
export function acceptedEncoding(
  header: string | null,
  available: readonly Encoding[],
): Encoding | undefined {
  const weights = new Map<string, number>();
  for (const item of (header ?? "").toLowerCase().split(",")) {
    const [name = "", ...parameters] = item.split(";").map((part) => part.trim());
    const [, q = "1"] =
      parameters.map((text) => /^q\s*=\s*([\d.]+)$/.exec(text)).find((found) => found !== null) ?? [];
    if (name !== "") weights.set(name, Number(q));
  }
  const weightOf = (encoding: string) => weights.get(encoding) ?? weights.get("*") ?? 0;
  // The sort is stable.
  const [preferred] = [...available].sort((one, other) => weightOf(other) - weightOf(one));
  const least = weights.get("identity") ?? 0;
  if (preferred === undefined || weightOf(preferred) === 0 || weightOf(preferred) < least) return undefined;
  return preferred;
}
