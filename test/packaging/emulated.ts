// Runs programs of arm64 on another machine: QEMU for the program itself and for every program that
// it starts, which only binfmt_misc can do. It is mounted for this program alone, in its own user
// namespace (Linux 6.7 or newer).

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

const QEMU = "/usr/bin/qemu-aarch64-static";
/** Debian: libstdc++6-arm64-cross. */
const LIBRARIES = "/usr/aarch64-linux-gnu";
const ELF_OF_ARM64 = [
  String.raw`\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00`,
  String.raw`\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff`,
].join(":");

/** O, C: the kernel opens the program, which may be a descriptor that is closed on exec. */
const SET_UP = `
  mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
  printf %s ':holdfast:M::${ELF_OF_ARM64}:${QEMU}:OCF' > /proc/sys/fs/binfmt_misc/register
  QEMU_LD_PREFIX=${LIBRARIES} exec "$0" "$@"
`;

/** Goes before a program; on arm64 itself nothing does. */
export const onArm64: readonly string[] =
  process.arch === "arm64" ? [] : ["unshare", "--user", "--map-root-user", "--mount", "sh", "-euc", SET_UP];

/** Why programs of arm64 cannot run on this machine, or undefined. */
export function whyNoArm64(): string | undefined {
  if (process.arch === "arm64") return undefined;
  if (!existsSync(QEMU)) return `${QEMU} is missing (qemu-user-static)`;
  if (!existsSync(`${LIBRARIES}/lib/libstdc++.so.6`)) return "libstdc++6-arm64-cross is missing";
  const [command = "", ...args] = onArm64;
  const { status, stderr } = spawnSync(command, [...args, "true"], { encoding: "utf8" });
  return status === 0 ? undefined : `binfmt_misc cannot be used: ${stderr.trim()}`;
}
