// The descriptors between the agent and one child: up to three pipes, or one pty. Opens both sides.
// After the start the child's ends are closed here and the agent's ends become streams; a pty has
// one stream for both directions.

import { chownSync, fchownSync } from "node:fs";
import {
  type ChildStdio,
  closeAll,
  duplicate,
  type Fd,
  type Identity,
  openPipe,
  openPty,
  type PipeEnds,
  type PtySize,
  preparePolled,
} from "../../linux/index.ts";
import { type Attach, attachPipes, attachTerminal } from "./attached-stdio.ts";

/**
 * The group of a terminal stays as the kernel set it: usually `tty`, and its members may write to the
 * terminal. The group of the user can have other members.
 */
const KEEP_GROUP = -1;

/**
 * Exactly one of `attach` (the start succeeded) and `abandon` (it failed) is called, once. `attach`
 * closes the child's descriptors, those of a pty when the process is reaped. `abandon` closes
 * everything.
 */
export interface Stdio {
  readonly child: ChildStdio;
  /**
   * `owner` names the process in messages: `process 12`. Nothing is read before `setReading(true)`.
   */
  attach: Attach;
  abandon(): void;
}

/**
 * Real pipes, so that a child can open /dev/stdout; `stdin` false gives it /dev/null. They belong
 * to `owner` (default: the user of the agent), because only the owner of a pipe can open it by
 * name.
 */
export function openPipes(stdin: boolean, owner?: Identity): Stdio {
  /** Every descriptor that still belongs to this object. */
  const owned = new Set<Fd>();
  const open = (): PipeEnds => {
    const ends = openPipe();
    owned.add(ends.read).add(ends.write);
    if (owner !== undefined) fchownSync(ends.read, owner.uid, owner.gid);
    return ends;
  };
  const close = (fd: Fd | undefined) => {
    if (fd !== undefined && owned.delete(fd)) closeAll([fd]);
  };
  const abandon = () => {
    for (const fd of owned) close(fd);
  };
  try {
    const stdout = open();
    const stderr = open();
    const input = stdin ? open() : undefined;
    return {
      child: { kind: "pipes", stdin: input?.read ?? "null", stdout: stdout.write, stderr: stderr.write },
      attach: (name, budget, sinkOf) => {
        for (const fd of [stdout.write, stderr.write, input?.read]) close(fd);
        const fds = { kind: "pipes", stdout: stdout.read, stderr: stderr.read, stdin: input?.write } as const;
        return attachPipes(fds, undefined, { name, budget, sinkOf }, (fd) => void owned.delete(fd));
      },
      abandon,
    };
  } catch (error) {
    abandon();
    throw error;
  }
}

/**
 * A terminal; its slave belongs to `owner` (default: the user of the agent), which may open it
 * again.
 */
export function openTerminal(size: PtySize, owner?: Identity): Stdio {
  preparePolled();
  const { master, slave, path } = openPty(size);
  // libuv may close the stream early; the rest is read from this copy.
  let copy: Fd | undefined;
  try {
    copy = duplicate(master);
    if (owner !== undefined) chownSync(path, owner.uid, KEEP_GROUP);
    return terminalStdio(master, copy, slave, path);
  } catch (error) {
    closeAll([master, slave, copy]);
    throw error;
  }
}

function terminalStdio(master: Fd, copy: Fd, slave: Fd, path: string): Stdio {
  return {
    child: { kind: "pty", path },
    attach: (name, budget, sinkOf) =>
      attachTerminal({ kind: "pty", master, copy, slave }, undefined, { name, budget, sinkOf }),
    abandon: () => closeAll([master, slave, copy]),
  };
}
