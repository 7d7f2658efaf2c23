// A token file with tokens of all kinds, for an agent that the test starts.

import { createHash } from "node:crypto";
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createTempFolder } from "../temp-folder.ts";

export interface TokenEntry {
  readonly id: string;
  readonly scopes: readonly string[];
  readonly processes?: readonly string[];
  readonly users?: readonly string[];
  readonly expires?: string;
}

/** The token of the entry `id`. */
export function tokenOf(id: string): string {
  return `${id}-token-0123456789abcdef`;
}

export function tokenFileText(entries: readonly TokenEntry[]): string {
  const tokens = entries.map((entry) => ({
    ...entry,
    hash: `sha256:${createHash("sha256").update(tokenOf(entry.id)).digest("hex")}`,
  }));
  return JSON.stringify({ tokens });
}

/** The path of a new file, and a function that replaces it. */
export function createTokenFile(
  entries: readonly TokenEntry[],
  folder = createTempFolder(),
): {
  readonly path: string;
  replace(text: string): void;
} {
  const path = join(folder, "tokens.json");
  const replace = (text: string) => {
    writeFileSync(`${path}.new`, text, { mode: 0o600 });
    renameSync(`${path}.new`, path);
  };
  replace(tokenFileText(entries));
  return { path, replace };
}
