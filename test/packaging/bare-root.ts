// A minimal Debian, made by debootstrap in memory, with the agent as its process 1.

import { execFile, execFileSync, spawnSync } from "node:child_process";
import {
  accessSync,
  chmodSync,
  constants,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";

const MIRROR = "http://deb.debian.org/debian";
const NEEDED = ["debootstrap", "unshare", "mount", "chroot"];
/** The tests' own variables (for example NODE_EXTRA_CA_CERTS) have no meaning in there. */
const PATH_ONLY = { PATH: process.env["PATH"] };
/** The path of the executable inside. */
const HOLDFAST = "/usr/local/bin/holdfast";
const MICROVM_INIT = join(import.meta.dirname, "../../packaging/microvm/init");

/** Why it cannot be made on this machine, or undefined. */
export function whyNoBareRoot(): string | undefined {
  if (process.getuid?.() !== 0) return "only root can";
  const missing = NEEDED.filter((name) => !isInPath(name));
  if (missing.length > 0) return `${missing.join(", ")} cannot be found`;
  const { status } = spawnSync("unshare", ["--pid", "--mount", "--fork", "true"]);
  return status === 0 ? undefined : "unshare is not permitted";
}

export interface BareRoot {
  /** Runs a program inside to its end, without mounted file systems. */
  run(...command: readonly string[]): Promise<{ readonly stdout: string }>;
  /** The same, with nothing writable inside. */
  runReadOnly(...command: readonly string[]): Promise<{ readonly stdout: string }>;
  /**
   * Goes before the arguments of `holdfast`: process 1 of its own pid and mount namespaces, with a
   * read-only root.
   */
  readonly asInit: readonly string[];
  /** packaging/microvm/init, in its own network namespace as well; it has no arguments. */
  readonly asMicrovm: readonly string[];
  remove(): void;
}

/** With `executable` inside. Takes 15 s and 200 MB of memory. */
export async function makeBareRoot(executable: string): Promise<BareRoot> {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-bare-"));
  // On a disk dpkg waits for each file to be written: 80 s instead of 25 (`time debootstrap …`, two
  // busy cores).
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=800m,mode=755", "tmpfs", folder]);
  const root: BareRoot = {
    run: (...command) => promisify(execFile)("chroot", [folder, ...command], { env: PATH_ONLY }),
    runReadOnly: (...command) =>
      promisify(execFile)(
        "unshare",
        ["--mount", "sh", "-euc", READ_ONLY, folder, "chroot", folder, ...command],
        { env: PATH_ONLY },
      ),
    asInit: [
      ...["unshare", "--pid", "--mount", "--fork", "--kill-child=SIGKILL"],
      ...["sh", "-euc", INIT, folder, "chroot", folder],
      // The environment that the kernel gives a first process.
      ...["/usr/bin/env", "-i", "HOME=/", "TERM=linux", HOLDFAST],
    ],
    asMicrovm: [
      ...["unshare", "--pid", "--mount", "--net", "--fork", "--kill-child=SIGKILL"],
      ...["sh", "-euc", 'mount --bind "$0" "$0"; exec "$@"', folder, "chroot", folder],
      ...["/usr/bin/env", "-i", "HOME=/", "TERM=linux", "/sbin/init"],
    ],
    remove() {
      execFileSync("umount", [folder]);
      rmdirSync(folder);
    },
  };
  try {
    await promisify(execFile)("debootstrap", ["--variant=minbase", "bookworm", folder, MIRROR]);
    copyFileSync(executable, join(folder, HOLDFAST));
    chmodSync(join(folder, HOLDFAST), 0o755);
    copyFileSync(MICROVM_INIT, join(folder, "sbin/init"));
    mkdirSync(join(folder, "etc/holdfast"));
    writeFileSync(join(folder, "etc/holdfast/token"), "a-token-of-a-test-which-is-long-enough\n", {
      mode: 0o600,
    });
    return root;
  } catch (error) {
    root.remove();
    throw error;
  }
}

const READ_ONLY = `
  mount --bind "$0" "$0"
  mount -o remount,bind,ro "$0"
  exec "$@"
`;

/**
 * The mounts that an image's init must make; packaging/microvm/init makes the same. $0 is the
 * folder, the rest the program.
 */
const INIT = `
  mount --bind "$0" "$0"
  mount -t proc proc "$0/proc"
  mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts "$0/dev/pts"
  mount -t tmpfs -o mode=755 tmpfs "$0/run"
  mount -o remount,bind,ro "$0"
  exec "$@"
`;

function isInPath(command: string): boolean {
  return (process.env["PATH"] ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
