// The descriptors between the agent and one child: up to three pipes, or one pty. Opens both sides.
// After the start the child's ends are closed here and the agent's ends become streams; a pty has
// one stream for both directions.

import { chownSync, fchownSync } from "node:fs";
import {
  bytesReadable,
  type ChildStdio,
  closeAll,
  duplicate,
  type Fd,
  type Identity,
  openPipe,
  openPty,
  type PipeEnds,
  PTY_CAPACITY_BYTES,
  type PtySize,
  preparePolled,
  resizePty,
} from "../../linux/index.ts";
import type { MemoryBudget, OutputStream } from "../../multiplexer/index.ts";
import { openPipeReader, openPipeWriter, openPtyStream } from "./fd-stream.ts";
import { Input, type ProcessInput, refusedInput } from "./input.ts";
import { OutputReader, type OutputSink } from "./output-reader.ts";

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
  attach(owner: string, budget: MemoryBudget, sinkOf: (stream: OutputStream) => OutputSink): AttachedStdio;
  abandon(): void;
}

export interface AttachedStdio {
  readonly readers: readonly OutputReader[];
  readonly input: ProcessInput;
  /** Undefined on pipes. For a process that has not ended. */
  readonly resize: ((size: PtySize) => void) | undefined;
  /** Call it once, when the process is reaped, before its output is read out. */
  release(): void;
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
  /** `stream` has just taken `fd` over. */
  const moved = <T>(fd: Fd, stream: T): T => {
    owned.delete(fd);
    return stream;
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
        return {
          readers: [
            moved(stdout.read, pipeReader(stdout.read, sinkOf("stdout"), budget)),
            moved(stderr.read, pipeReader(stderr.read, sinkOf("stderr"), budget)),
          ],
          input: input
            ? moved(input.write, new Input("stdin", openPipeWriter(input.write), name, budget))
            : refusedInput(name),
          resize: undefined,
          release: () => {
            // The child's ends are closed already.
          },
        };
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
    if (owner !== undefined) chownSync(path, owner.uid, owner.gid);
    return terminalStdio(master, copy, slave, path);
  } catch (error) {
    closeAll([master, slave, copy]);
    throw error;
  }
}

function terminalStdio(master: Fd, copy: Fd, slave: Fd, path: string): Stdio {
  return {
    child: { kind: "pty", path },
    attach: (owner, budget, sinkOf) => {
      const reader = new OutputReader(
        {
          open: (onread) => openPtyStream(master, onread),
          fd: copy,
          outlivesStream: true,
          isReadInPieces: true,
          bytesHeld: () => PTY_CAPACITY_BYTES,
          close: () => closeAll([copy]),
        },
        sinkOf("pty"),
        budget,
      );
      const input = new Input("pty", reader.stream, owner, budget);
      return {
        readers: [reader],
        input,
        resize: (size) => resizePty(copy, size),
        release: () => closeAll([slave]),
      };
    },
    abandon: () => closeAll([master, slave, copy]),
  };
}

function pipeReader(fd: Fd, sink: OutputSink, budget: MemoryBudget): OutputReader {
  return new OutputReader(
    {
      open: (onread) => openPipeReader(fd, onread),
      fd,
      outlivesStream: false,
      isReadInPieces: false,
      bytesHeld: () => bytesReadable(fd),
      close: () => {
        // The stream closes its own descriptor.
      },
    },
    sink,
    budget,
  );
}
