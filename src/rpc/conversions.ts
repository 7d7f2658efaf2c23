// Between the messages of the wire and what src/process understands. Refuses what the wire allows and nobody can mean.

import { create } from "@bufbuild/protobuf";
import { HoldfastError } from "../errors.ts";
import {
  type ProcessInfo,
  ProcessInfoSchema,
  type ProcessInput,
  type PTY,
  Signal,
  type ProcessSelector as WireSelector,
  type StartRequest as WireStart,
} from "../gen/process_pb.ts";
import type { InputKind, Process, ProcessSelector, PtySize, StartRequest } from "../process/index.ts";

/** `user` and `timeoutMs` come with the headers. */
export function toStartRequest(
  message: WireStart,
  user: string | undefined,
  timeoutMs: number | undefined,
): StartRequest {
  const { process, pty, tag, stdin } = message;
  if (process === undefined)
    throw new HoldfastError("invalid_argument", "process is missing: what shall be started?");
  return {
    cmd: process.cmd,
    args: process.args,
    environment: process.envs,
    cwd: process.cwd,
    user,
    tag,
    stdio:
      pty === undefined ? { kind: "pipes", stdin: stdin ?? true } : { kind: "pty", size: toPtySize(pty) },
    timeoutMs,
  };
}

export function toPtySize(pty: PTY | undefined): PtySize {
  if (pty?.size === undefined)
    throw new HoldfastError("invalid_argument", "pty.size is missing: give cols and rows");
  return { cols: pty.size.cols, rows: pty.size.rows };
}

export function toSelector(selector: WireSelector | undefined): ProcessSelector {
  const chosen = selector?.selector;
  if (chosen?.case === "pid") return { kind: "pid", pid: chosen.value };
  if (chosen?.case === "tag") return { kind: "tag", tag: chosen.value };
  throw new HoldfastError("invalid_argument", "process is missing: select one by pid or tag");
}

export function toInput(message: ProcessInput | undefined): {
  readonly kind: InputKind;
  readonly data: Uint8Array;
} {
  const input = message?.input;
  if (input?.case === undefined)
    throw new HoldfastError("unimplemented", "input is missing or of an unknown kind: give stdin or pty");
  return { kind: input.case, data: input.value };
}

/** The number of a signal this service sends. */
export function toSignal(signal: Signal): number {
  if (signal === Signal.SIGKILL || signal === Signal.SIGTERM) return signal;
  throw new HoldfastError(
    "invalid_argument",
    `signal ${signal} is not known: give SIGNAL_SIGTERM or SIGNAL_SIGKILL`,
  );
}

export function toProcessInfo({ pid, request }: Process): ProcessInfo {
  const { cmd, args, environment, cwd, tag } = request;
  return create(ProcessInfoSchema, {
    config: { cmd, args: [...args], envs: { ...environment }, ...(cwd === undefined ? {} : { cwd }) },
    pid,
    ...(tag === undefined ? {} : { tag }),
  });
}
