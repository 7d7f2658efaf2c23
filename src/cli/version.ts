// The version of this package. Its own file because the single executable has no package.json: scripts/build-binary.mjs
// replaces this file.

import { readFileSync } from "node:fs";

/** Reads package.json, two folders up from here in src/ and in dist/. */
export function version(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
