// The agent's side of the descriptors of one child, as readers and an input: of a child that was just started, or of
// one that another image of this agent started (src/handover).

import {
  bytesReadable,
  closeAll,
  duplicate,
  type Fd,
  type InheritedDescriptors,
  PTY_CAPACITY_BYTES,
  type PtySize,
  resizePty,
} from "../../linux/index.ts";
import type { MemoryBudget, OutputStream } from "../../multiplexer/index.ts";
import { openPipeReader, openPipeWriter, openPtyStream } from "./fd-stream.ts";
import { Input, type InputState, type ProcessInput, refusedInput } from "./input.ts";
import { OutputReader, type OutputSink, type OutputSource, type SourceDescriptors } from "./output-reader.ts";

export interface AttachedStdio {
  readonly readers: readonly OutputReader[];
  readonly input: ProcessInput;
  /** Undefined on pipes. For a process that has not ended. */
  readonly resize: ((size: PtySize) => void) | undefined;
  /** Call it once, when the process is reaped, before its output is read out. */
  release(): void;
  /** The descriptors that are open now and belong to the process. */
  save(): StdioState;
}

/** The descriptors of one process; an absent one is closed. */
export type StdioState =
  | {
      readonly kind: "pipes";
      readonly stdout?: Fd | undefined;
      readonly stderr?: Fd | undefined;
      readonly stdin?: Fd | undefined;
    }
  | {
      readonly kind: "pty";
      readonly master?: Fd | undefined;
      readonly copy?: Fd | undefined;
      readonly slave?: Fd | undefined;
    };

/** The part of their process that the readers and the input use. */
export interface Owner {
  /** Names the process in messages: `process 12`. */
  readonly name: string;
  readonly budget: MemoryBudget;
  readonly sinkOf: (stream: OutputStream) => OutputSink;
}

/** Attaches to a process; see Owner. */
export type Attach = (name: Owner["name"], budget: Owner["budget"], sinkOf: Owner["sinkOf"]) => AttachedStdio;

/** Nothing is read or written before `setReading(true)` and `goOn`. */
export function restoreStdio(
  state: StdioState,
  input: InputState | undefined,
  descriptors: InheritedDescriptors,
  owner: Owner,
): AttachedStdio {
  const claim = (fd: number | undefined, use: "read" | "write") =>
    fd === undefined ? undefined : descriptors.claim(fd, use);
  if (state.kind === "pty") {
    const [master, copy] = [claim(state.master, "read"), claim(state.copy, "read")];
    return attachTerminal({ kind: "pty", master, copy, slave: claim(state.slave, "read") }, input, owner);
  }
  const [stdout, stderr] = [claim(state.stdout, "read"), claim(state.stderr, "read")];
  return attachPipes({ kind: "pipes", stdout, stderr, stdin: claim(state.stdin, "write") }, input, owner);
}

/** `onOpened` is called for each descriptor that a stream owns from then on. */
export function attachPipes(
  { stdout, stderr, stdin }: StdioState & { readonly kind: "pipes" },
  saved: InputState | undefined,
  { name, budget, sinkOf }: Owner,
  onOpened: (fd: Fd) => void = ignore,
): AttachedStdio {
  const read = (fd: Fd | undefined, stream: OutputStream) => {
    if (fd === undefined) return undefined;
    const reader = new OutputReader(pipeSource(fd), sinkOf(stream), budget);
    onOpened(fd);
    return reader;
  };
  const out = read(stdout, "stdout");
  const error = read(stderr, "stderr");
  const writer = stdin === undefined ? undefined : openPipeWriter(stdin);
  if (stdin !== undefined) onOpened(stdin);
  const input =
    writer === undefined && saved === undefined ? undefined : new Input("stdin", writer, name, budget, saved);
  return {
    readers: [out, error].filter((reader) => reader !== undefined),
    input: input ?? refusedInput(name),
    resize: undefined,
    // The child's ends are closed already.
    release: ignore,
    save: () => ({
      kind: "pipes",
      stdout: out?.descriptors?.fd,
      stderr: error?.descriptors?.fd,
      stdin: input?.isOpen === true ? stdin : undefined,
    }),
  };
}

export function attachTerminal(
  { master, copy, slave }: StdioState & { readonly kind: "pty" },
  saved: InputState | undefined,
  { name, budget, sinkOf }: Owner,
): AttachedStdio {
  const reader =
    master === undefined || copy === undefined
      ? undefined
      : new OutputReader(terminalSource(master, copy), sinkOf("pty"), budget);
  let heldSlave = slave;
  return {
    readers: reader === undefined ? [] : [reader],
    input: new Input("pty", reader?.stream, name, budget, saved),
    resize: (size) => {
      if (copy !== undefined) resizePty(copy, size);
    },
    release: () => {
      closeAll([heldSlave]);
      heldSlave = undefined;
    },
    save: () => {
      const open = reader?.descriptors;
      return { kind: "pty", master: open?.fd, copy: open?.copy, slave: heldSlave };
    },
  };
}

/** Continues to read and drop what an orphan writes. */
export function discardFrom({ fd, copy }: SourceDescriptors): void {
  const source = copy === undefined ? pipeSource(fd) : terminalSource(fd, copy);
  new OutputReader(source, { push: ignore, onReadOut: ignore, onEnd: ignore }, { isSpent: false }).discard();
}

function terminalSource(master: Fd, copy: Fd): OutputSource {
  return {
    open: (onread) => openPtyStream(master, onread),
    fd: copy,
    outlivesStream: true,
    isReadInPieces: true,
    bytesHeld: () => PTY_CAPACITY_BYTES,
    close: () => closeAll([copy]),
    // The first stream has closed `master`, so a descriptor is free.
    renew: () => terminalSource(duplicate(copy), copy),
    descriptors: { fd: master, copy },
  };
}

function pipeSource(fd: Fd): OutputSource {
  return {
    open: (onread) => openPipeReader(fd, onread),
    fd,
    outlivesStream: false,
    isReadInPieces: false,
    bytesHeld: () => bytesReadable(fd),
    // The stream closes its own descriptor.
    close: ignore,
    descriptors: { fd },
  };
}

function ignore(): void {
  // Nothing to do.
}
