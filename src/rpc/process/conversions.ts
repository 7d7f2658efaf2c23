// Converts the messages of the wire to the types of src/process and back. Refuses messages that the wire allows and that
// have no meaning: a missing process, an unknown enum value, an offset beyond 2^53.

import { create } from "@bufbuild/protobuf";
import { HoldfastError } from "../../errors.ts";
import {
  ConnectRequest_Lag,
  OutputPolicy_Detached,
  PausedReason,
  type ProcessConfig,
  ProcessConfigSchema,
  ProcessEvent_EndEventSchema,
  type ProcessInfo,
  ProcessInfoSchema,
  type ProcessInput,
  type PTY,
  Signal,
  SignalScope,
  type OutputPolicy as WirePolicy,
  type ProcessSelector as WireSelector,
  type StartRequest as WireStart,
} from "../../gen/process_pb.ts";
import type { PtySize } from "../../linux/index.ts";
import { type Offset, offset } from "../../multiplexer/index.ts";
import type {
  InputKind,
  InputPlace,
  OutputPolicy,
  Process,
  ProcessEnd,
  ProcessSelector,
  StartRequest,
} from "../../process/index.ts";
import type { TerminalMessage } from "../output/event-frames.ts";

/** `user` and `timeoutMs` come from the headers. */
export function toStartRequest(
  message: WireStart,
  user: string | undefined,
  timeoutMs: number | undefined,
): StartRequest {
  const { process, pty, tag, stdin } = message;
  if (process === undefined)
    throw new HoldfastError("invalid_argument", "process is missing; give process.cmd");
  return {
    cmd: process.cmd,
    args: process.args,
    environment: process.envs,
    cwd: process.cwd,
    user,
    tag,
    stdio:
      pty === undefined ? { kind: "pipes", stdin: stdin ?? true } : { kind: "pty", size: toStartSize(pty) },
    timeoutMs,
    startId: message.startId,
    output: message.output === undefined ? undefined : toOutputPolicy(message.output),
    retainEndedMs:
      message.retainEndedMs === undefined ? undefined : toWhole("retain_ended_ms", message.retainEndedMs),
    forgetDelivered: message.forgetDelivered,
    group: message.group,
    uid: message.uid,
  };
}

function toOutputPolicy(policy: WirePolicy): Partial<OutputPolicy> {
  const detached = detachedModes.get(policy.detached);
  if (detached === undefined)
    throw new HoldfastError(
      "invalid_argument",
      `output.detached ${policy.detached} is unknown; give one of the Detached enum`,
    );
  return {
    ...(detached === "default" ? {} : { detached }),
    ...(policy.detachedBufferBytes === undefined
      ? {}
      : { detachedBufferBytes: toWhole("detached_buffer_bytes", policy.detachedBufferBytes) }),
    ...(policy.replayBytes === undefined ? {} : { replayBytes: toWhole("replay_bytes", policy.replayBytes) }),
  };
}

const detachedModes = new Map<OutputPolicy_Detached, OutputPolicy["detached"] | "default">([
  [OutputPolicy_Detached.DEFAULT, "default"],
  [OutputPolicy_Detached.BLOCK, "block"],
  [OutputPolicy_Detached.BUFFER, "buffer"],
  [OutputPolicy_Detached.RING, "ring"],
]);

/** `name` is the field's. Throws `out_of_range` above 2^53 - 1, which no process ever reaches. */
export function toOffset(name: string, value: bigint | undefined): Offset | undefined {
  if (value === undefined) return undefined;
  if (value <= Number.MAX_SAFE_INTEGER) return offset(Number(value));
  throw new HoldfastError(
    "out_of_range",
    `${name} ${value} is above the largest offset (${Number.MAX_SAFE_INTEGER})`,
  );
}

/** Throws `invalid_argument` above 2^53 - 1. */
function toWhole(name: string, value: bigint): number {
  if (value <= Number.MAX_SAFE_INTEGER) return Number(value);
  throw new HoldfastError(
    "invalid_argument",
    `${name} ${value} is above the largest size (${Number.MAX_SAFE_INTEGER})`,
  );
}

export function isObserver(lag: ConnectRequest_Lag): boolean {
  if (lag === ConnectRequest_Lag.BLOCK) return false;
  if (lag === ConnectRequest_Lag.SKIP) return true;
  throw new HoldfastError("invalid_argument", `lag ${lag} is unknown; give LAG_BLOCK or LAG_SKIP`);
}

/** A client without a terminal does not know a size, or sends 0 × 0 as the kernel reports it. */
function toStartSize(pty: PTY): PtySize {
  const isUnknown = pty.size === undefined || (pty.size.cols === 0 && pty.size.rows === 0);
  return isUnknown ? DEFAULT_PTY_SIZE : toPtySize(pty);
}

const DEFAULT_PTY_SIZE: PtySize = { cols: 80, rows: 24 };

/** The state of the process's terminal before the first byte held at or above `at`; undefined on pipes. */
export function toTerminal(process: Process, at: Offset): TerminalMessage | undefined {
  const terminal = process.terminalAt(at);
  return terminal && { ...terminal.size, restore: terminal.restore };
}

export function toPtySize(pty: PTY | undefined): PtySize {
  if (pty?.size === undefined)
    throw new HoldfastError("invalid_argument", "pty.size is missing; give cols and rows");
  return { cols: pty.size.cols, rows: pty.size.rows };
}

export function toSelector(selector: WireSelector | undefined): ProcessSelector {
  const chosen = selector?.selector;
  if (chosen?.case === "pid") return { kind: "pid", pid: chosen.value };
  if (chosen?.case === "tag") return { kind: "tag", tag: chosen.value };
  if (chosen?.case === "processId") return { kind: "process_id", processId: chosen.value };
  throw new HoldfastError("invalid_argument", "process is missing; select one by pid, tag or process_id");
}

export function toInput(message: ProcessInput | undefined): {
  readonly kind: InputKind;
  readonly data: Uint8Array;
} {
  const input = message?.input;
  if (input?.case === undefined)
    throw new HoldfastError("unimplemented", "input is missing or of an unknown kind; give stdin or pty");
  return { kind: input.case, data: input.value };
}

/** Where the input belongs, if the client gives an offset. A writer without an offset has no position to remember. */
export function toInputPlace(offset: bigint | undefined, writer: string | undefined): InputPlace | undefined {
  const at = toOffset("input offset", offset);
  if (at !== undefined) return { at, writer };
  if (writer === undefined) return undefined;
  throw new HoldfastError("invalid_argument", "writer is given without an offset; give both or neither");
}

/** The number of a signal that clients may send. */
export function toSignal(signal: Signal): number {
  if (signal !== Signal.UNSPECIFIED && Signal[signal] !== undefined) return signal;
  throw new HoldfastError("invalid_argument", `signal ${signal} is unknown; give one of ${SIGNAL_NAMES}`);
}

const SIGNAL_NAMES = Object.values(Signal)
  .filter((value) => typeof value === "string" && value !== Signal[Signal.UNSPECIFIED])
  .map((name) => `SIGNAL_${name}`)
  .join(", ");

/** Whether the signal is for the whole process group. */
export function toWholeGroup(scope: SignalScope): boolean {
  if (scope === SignalScope.PROCESS) return false;
  if (scope === SignalScope.GROUP) return true;
  throw new HoldfastError(
    "invalid_argument",
    `scope ${scope} is unknown; give SIGNAL_SCOPE_PROCESS or SIGNAL_SCOPE_GROUP`,
  );
}

/** Without its configuration, which can be large. */
export function toProcessInfo({ pid, request: { tag } }: Process): ProcessInfo {
  return create(ProcessInfoSchema, { pid, ...(tag === undefined ? {} : { tag }) });
}

export function toConfig({ request }: Process): ProcessConfig {
  const { cmd, args, environment, cwd } = request;
  return create(ProcessConfigSchema, {
    cmd,
    args: [...args],
    envs: { ...environment },
    ...(cwd === undefined ? {} : { cwd }),
  });
}

/** The additions to ProcessInfo, for clients that ask for them. */
export function toDetails(process: Process): Partial<ProcessInfo> {
  const { processId, output, startedAtMs, request, user } = process;
  const details = {
    pty: request.stdio.kind === "pty",
    processId,
    offset: BigInt(output.head),
    subscribers: output.subscriberCount,
    heldBytes: BigInt(output.heldBytes),
    startedAtMs: BigInt(startedAtMs),
    reading: output.isReading,
    attachOffset: BigInt(output.attachOffset),
    user,
    detached: wireDetached[output.detachedMode],
    ...process.terminalSize,
    ...toPaused(process),
  };
  const { blockedMs } = process;
  if (output.end === undefined)
    return { ...details, ...(blockedMs === undefined ? {} : { blockedMs: BigInt(Math.round(blockedMs)) }) };
  return {
    ...details,
    end: create(ProcessEvent_EndEventSchema, toDetailedEnd(process, output.end)),
  };
}

function toPaused({ output }: Process): Partial<ProcessInfo> {
  const { pausedReason: reason, slowestOffset } = output;
  if (reason === undefined) return {};
  if (reason !== "slowClient" || slowestOffset === undefined) return { pausedReason: wireReasons[reason] };
  return { pausedReason: wireReasons[reason], slowestOffset: BigInt(slowestOffset) };
}

const wireReasons = {
  detached: PausedReason.DETACHED,
  budget: PausedReason.BUDGET,
  slowClient: PausedReason.SLOW_CLIENT,
};

const wireDetached = {
  block: OutputPolicy_Detached.BLOCK,
  buffer: OutputPolicy_Detached.BUFFER,
  ring: OutputPolicy_Detached.RING,
};

/** The end event's content with its additions, for clients that ask for offsets. */
export function toDetailedEnd({ output, deadlinePassed }: Process, end: ProcessEnd) {
  return { ...end, offset: BigInt(output.head), timedOut: deadlinePassed };
}
