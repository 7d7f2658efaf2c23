// What package.json and the lock file promise each other, where npm itself would only warn or fail much later.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

interface Locked {
  hasInstallScript?: boolean;
  optionalDependencies?: Record<string, string>;
}

const root = join(import.meta.dirname, "../..");
const manifest: { allowScripts: Record<string, boolean> } = JSON.parse(
  readFileSync(join(root, "package.json"), "utf8"),
);
const locked: Record<string, Locked> = JSON.parse(
  readFileSync(join(root, "package-lock.json"), "utf8"),
).packages;

const nameOf = (path: string) => path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);

test("every package with an install script is allowed or denied by name, and no other is", () => {
  const withScript = Object.keys(locked).filter((path) => locked[path]?.hasInstallScript);
  expect(Object.keys(manifest.allowScripts).sort()).toEqual(withScript.map(nameOf).sort());
});

// npm leaves an optional package out of the lock file when the registry has not got it (yet), and
// `npm ci` then refuses the lock file everywhere, also on machines that do not need that package.
test("the lock file names every optional package of every platform", () => {
  const present = new Set(Object.keys(locked).map(nameOf));
  const wanted = Object.values(locked).flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}));
  expect(wanted.filter((name) => !present.has(name))).toEqual([]);
});
