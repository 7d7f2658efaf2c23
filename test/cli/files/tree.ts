// Directories for tests of copies: small files, a large one, links, and permissions.
import { createHash } from "node:crypto";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

/** Pseudo-random bytes: no compression, no two equal pieces. */
export function contentOf(bytes: number, seed = "content"): Buffer {
  const pieces: Buffer[] = [];
  for (let at = 0, n = 0; at < bytes; at += 64, n++)
    pieces.push(createHash("sha512").update(`${seed} ${n}`).digest());
  return Buffer.concat(pieces).subarray(0, bytes);
}

/** With a time long ago, so that a copy with its own time is noticed. */
export function makeTree(folder: string, files = 40): void {
  mkdirSync(join(folder, "sub/empty"), { recursive: true });
  writeFileSync(join(folder, "large"), contentOf(1_500_000));
  for (let n = 0; n < files; n++)
    writeFileSync(join(folder, `sub/file-${n}`), contentOf(5_000 + n, `file ${n}`));
  writeFileSync(join(folder, "sub/script"), "#!/bin/sh\n");
  chmodSync(join(folder, "sub/script"), 0o751);
  writeFileSync(join(folder, "sub/ümlaut and space"), "text");
  symlinkSync("../large", join(folder, "sub/link"));
  for (const path of ["large", "sub/script", "sub/empty", "sub"])
    utimesSync(join(folder, path), 1_600_000_000, 1_600_000_000);
  chmodSync(join(folder, "sub/empty"), 0o700);
}

/** Everything below a folder: kind, permissions, time of files in seconds, and content. */
export function describeTree(folder: string): Readonly<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" }).sort()) {
    const path = join(folder, name);
    const stats = lstatSync(path);
    const mode = (stats.mode & 0o777).toString(8);
    const time = Math.floor(stats.mtimeMs / 1000);
    if (stats.isSymbolicLink()) found[name] = `-> ${readlinkSync(path)}`;
    else if (stats.isDirectory()) found[name] = `directory ${mode} ${time}`;
    else found[name] = `${mode} ${time} ${createHash("sha256").update(readFileSync(path)).digest("hex")}`;
  }
  return found;
}
