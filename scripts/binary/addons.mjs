// @ts-check Loads koffi's addon in the single executable. dlopen needs a file, so it is written to
// one without a name (O_TMPFILE), opened through /proc/self/fd and closed again: nothing stays on
// disk in any case. memfd_create needs no folder, but system calls are possible only after the
// addon is loaded. Without O_TMPFILE (kernel, file system) or /proc, a folder with mode 0700 is
// used and removed at once.

import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { getRawAsset } from "node:sea";

const ADDON = "koffi.node";

/**
 * Folders that are probably writable and without noexec. Docker's --read-only leaves only /dev to
 * root.
 */
const FOLDERS = [process.env["TMPDIR"] ?? "", "/run", "/dev/shm", "/tmp", "/var/tmp", "/dev"].filter(Boolean);

const O_RDWR = 2;
const O_CLOEXEC = 0o2000000;
const O_TMPFILE = 0o20200000;

/** The addon's exports. */
export function loadAddon() {
  const failures = [];
  for (const load of [loadUnnamed, loadNamed]) {
    for (const folder of FOLDERS) {
      try {
        return load(folder);
      } catch (error) {
        failures.push(`${folder}: ${error instanceof Error ? error.message : error}`);
      }
    }
  }
  // Nothing runs yet, and nothing can run without the addon: one line is clearer than a stack
  // trace.
  process.stderr.write(
    "holdfast: no folder to load its native parts from: it needs a writable one on a file system without noexec; " +
      `mount a tmpfs at /run, or set TMPDIR (tried ${failures.join("; ")})\n`,
  );
  process.exit(1);
}

/** @param {string} folder */
function loadUnnamed(folder) {
  const fd = openSync(folder, O_RDWR | O_TMPFILE | O_CLOEXEC, 0o700);
  try {
    writeAll(fd, addonBytes());
    return dlopen(`/proc/self/fd/${fd}`);
  } finally {
    closeSync(fd);
  }
}

/** @param {string} parent */
function loadNamed(parent) {
  const folder = mkdtempSync(join(parent, "holdfast-"));
  try {
    const file = join(folder, ADDON);
    writeFileSync(file, addonBytes(), { mode: 0o700 });
    return dlopen(file);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A view into the executable itself, not a copy. */
function addonBytes() {
  return new Uint8Array(/** @type {ArrayBuffer} */ (getRawAsset(ADDON)));
}

/**
 * @param {number} fd
 * @param {Uint8Array} bytes
 */
function writeAll(fd, bytes) {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
}

/** @param {string} file */
function dlopen(file) {
  /** @type {{ exports: unknown }} */
  const module = { exports: {} };
  process.dlopen(module, file, constants.dlopen.RTLD_LAZY);
  return module.exports;
}
