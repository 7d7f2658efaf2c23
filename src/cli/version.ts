// This package's version. A file of its own: the single executable, which has no package.json beside it, is built with
// another in its place (scripts/build-binary.mjs).
import { readFileSync } from "node:fs";

/** As in package.json, two folders up from here in src/ and in dist/. */
export function version(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
