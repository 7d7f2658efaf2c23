// @ts-check
// Packages of the npm registry that the build takes binaries from: fetched by npm from the registry
// that it is configured for, checked, unpacked, and kept in dist-binary for later builds. npm itself
// would not install those of another architecture.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { run } from "./run.mjs";

/**
 * The folder with the content of the package. `integrity` is what package-lock.json calls so.
 * @param {string} store  an existing folder
 * @param {{ name: string, version: string, integrity: string }} wanted
 */
export function fetchPackage(store, { name, version, integrity }) {
  const folder = join(store, `${name.replace("/", "-")}-${version}`);
  // Named after it when it is complete.
  if (existsSync(folder)) return folder;
  const fresh = `${folder}.new`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh);
  const packed = run("npm", ["pack", "--json", "--pack-destination", fresh, `${name}@${version}`]);
  const file = join(fresh, JSON.parse(packed)[0].filename);
  const found = `sha512-${createHash("sha512").update(readFileSync(file)).digest("base64")}`;
  if (found !== integrity) throw new Error(`${name}@${version} has the integrity ${found}, not ${integrity}`);
  run("tar", ["-xzf", file, "-C", fresh, "--strip-components=1"]);
  rmSync(file);
  renameSync(fresh, folder);
  return folder;
}
