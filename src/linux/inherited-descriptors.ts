// The descriptors that the image before kept open for this one. Each must be claimed exactly once:
// an unclaimed one belongs to something that this version does not know, and would be lost
// silently.

import { duplicate, type Fd, openPipe } from "./libc.ts";

/** The use of a descriptor. */
export type DescriptorUse = "read" | "write" | "other";

export interface InheritedDescriptors {
  /** Throws for a descriptor that is not there, or was claimed before. */
  claim(fd: number, use: DescriptorUse): Fd;
  /** Throws if one was not claimed. */
  assertAllClaimed(): void;
}

export function inheritedDescriptors(fds: readonly number[]): InheritedDescriptors {
  return claims(fds, (fd) => fd as Fd);
}

/** For a rehearsal, which has none of them: a claim returns an end of an idle pipe in its place. */
export function rehearsedDescriptors(fds: readonly number[]): InheritedDescriptors {
  // Both ends stay open: neither end of file nor EPIPE.
  const pipe = openPipe();
  return claims(fds, (_, use) => duplicate(use === "write" ? pipe.write : pipe.read));
}

function claims(fds: readonly number[], get: (fd: number, use: DescriptorUse) => Fd): InheritedDescriptors {
  const unclaimed = new Set(fds);
  if (unclaimed.size !== fds.length) throw new Error("the state names a descriptor twice");
  return {
    claim: (fd, use) => {
      if (!unclaimed.delete(fd)) throw new Error(`the state has no descriptor ${fd}, or uses it twice`);
      return get(fd, use);
    },
    assertAllClaimed: () => {
      if (unclaimed.size > 0)
        throw new Error(
          `the state has descriptors that this version does not know: ${[...unclaimed].join(", ")}`,
        );
    },
  };
}
