// Converts between the client's types and the messages of the wire.

import type {
  ProcessEvent_EndEvent,
  ProcessEvent_Terminal,
  ProcessEvent_TimesEvent,
  AgentInfo as WireAgentInfo,
  ProcessInfo as WireProcessInfo,
} from "../gen/process_pb.ts";
import { ConnectRequest_Lag, OutputPolicy_Detached, PausedReason, Signal } from "../gen/tables.ts";
import { messageOf } from "../text.ts";
import { ClientError } from "./client-errors.ts";
import { signalOfStatus } from "./process/signal-names.ts";
import { encodeMessage, type Init, type MessageName } from "./transport/message-codec.ts";
import type {
  AgentInfo,
  AttachOptions,
  Exit,
  OutputTime,
  ProcessInfo,
  PtySize,
  Selector,
  SignalName,
  StartRequest,
  TerminalState,
} from "./types.ts";

/** The agent accepts ten digits. */
const MAX_TIMEOUT_MS = 9_999_999_999;

export function toStartMessage(
  request: StartRequest,
  startId: string,
  sizes = false,
): Init<"process.StartRequest"> {
  const { cmd, args = [], env = {}, cwd, tag, pty, stdin, output, retainEndedMs, group } = request;
  return checked("process.StartRequest", {
    process: { cmd, args: [...args], envs: { ...env }, ...(cwd === undefined ? {} : { cwd }) },
    ...(pty === undefined ? {} : { pty: { size: { cols: pty.cols, rows: pty.rows } } }),
    ...(tag === undefined ? {} : { tag }),
    stdin: stdin ?? false,
    startId,
    offsets: true,
    terminal: true,
    notices: true,
    forgetDelivered: request.forgetDelivered ?? false,
    sizes,
    endOnly: request.endOnly ?? false,
    ...(retainEndedMs === undefined
      ? {}
      : { retainEndedMs: toWhole("retainEndedMs", retainEndedMs, "milliseconds") }),
    ...(group === undefined ? {} : { group }),
    ...(request.uid === undefined ? {} : { uid: request.uid }),
    ...(output === undefined
      ? {}
      : {
          output: {
            detached: detachedModes[output.detached ?? "default"],
            ...(output.detachedBufferBytes === undefined
              ? {}
              : { detachedBufferBytes: toOffset("output.detachedBufferBytes", output.detachedBufferBytes) }),
            ...(output.replayBytes === undefined
              ? {}
              : { replayBytes: toOffset("output.replayBytes", output.replayBytes) }),
          },
        }),
  });
}

const detachedModes = {
  default: OutputPolicy_Detached.DEFAULT,
  block: OutputPolicy_Detached.BLOCK,
  buffer: OutputPolicy_Detached.BUFFER,
  ring: OutputPolicy_Detached.RING,
};

/** The parts of a start that travel in headers: the user and the time limit. */
export function startHeaders(
  user: string | undefined,
  timeoutMs: number | undefined,
): Readonly<Record<string, string>> {
  if (timeoutMs !== undefined && !(timeoutMs > 0 && timeoutMs <= MAX_TIMEOUT_MS))
    throw new ClientError(
      "invalid_argument",
      `timeoutMs is ${timeoutMs}, must be above 0 and at most ${MAX_TIMEOUT_MS}`,
    );
  if (user?.includes(":") === true)
    throw new ClientError("invalid_argument", `user "${user}" holds a colon: give the group with "group"`);
  return {
    // btoa reads one byte per character.
    ...(user === undefined
      ? {}
      : { Authorization: `Basic ${btoa(String.fromCharCode(...new TextEncoder().encode(`${user}:`)))}` }),
    ...(timeoutMs === undefined ? {} : timeoutHeaders(timeoutMs)),
  };
}

/**
 * The time limit for the agent. Connect's own option would also end the call in this client. Both
 * headers are set, because the agent reads the one of the request's protocol.
 */
export function timeoutHeaders(timeoutMs: number): Readonly<Record<string, string>> {
  const ms = Math.ceil(timeoutMs);
  // gRPC allows eight digits.
  const grpc = ms < 1e8 ? `${ms}m` : `${Math.ceil(ms / 1000)}S`;
  return { "Connect-Timeout-Ms": String(ms), "Grpc-Timeout": grpc };
}

export function toConnectMessage(
  selector: Selector,
  { fromOffset, lag, generation, times = false, endOnly = false, onSize }: AttachOptions,
): Init<"process.ConnectRequest"> {
  return checked("process.ConnectRequest", {
    process: toSelectorMessage(selector),
    ...(fromOffset === undefined ? {} : { fromOffset: toOffset("fromOffset", fromOffset) }),
    lag: lag === "skip" || endOnly ? ConnectRequest_Lag.SKIP : ConnectRequest_Lag.BLOCK,
    offsets: true,
    times,
    terminal: true,
    notices: true,
    endOnly,
    sizes: onSize !== undefined,
    ...(generation === undefined ? {} : { generation }),
  });
}

export function toSelectorMessage(selector: Selector): Init<"process.ProcessSelector"> {
  return checked("process.ProcessSelector", { selector: selected(selector) });
}

/** Whether `selector` matches a process. A tag may match several, of which the agent chooses the last. */
export function isSelected(selector: Selector): (process: WireProcessInfo) => boolean {
  const { case: name, value } = selected(selector);
  return ({ pid, tag, processId }) => ({ pid, tag, processId })[name] === value;
}

type Selected = { case: "processId" | "tag"; value: string } | { case: "pid"; value: number };

function selected(selector: Selector): Selected {
  if (typeof selector === "string") return { case: "processId", value: selector };
  if ("processId" in selector) return { case: "processId", value: selector.processId };
  if ("pid" in selector) return { case: "pid", value: selector.pid };
  return { case: "tag", value: selector.tag };
}

export function toUpdateMessage(processId: string, { cols, rows }: PtySize): Init<"process.UpdateRequest"> {
  return checked("process.UpdateRequest", {
    process: toSelectorMessage(processId),
    pty: { size: { cols, rows } },
  });
}

export function toSignal(name: SignalName): Signal {
  const signal = wireSignals.get(name);
  if (signal !== undefined) return signal;
  throw new ClientError(
    "invalid_argument",
    `unknown signal ${name}: must be one of ${[...wireSignals.keys()].join(", ")}`,
  );
}

const wireSignals = new Map<SignalName, Signal>([
  ["SIGHUP", Signal.SIGHUP],
  ["SIGINT", Signal.SIGINT],
  ["SIGQUIT", Signal.SIGQUIT],
  ["SIGKILL", Signal.SIGKILL],
  ["SIGUSR1", Signal.SIGUSR1],
  ["SIGUSR2", Signal.SIGUSR2],
  ["SIGTERM", Signal.SIGTERM],
  ["SIGCONT", Signal.SIGCONT],
  ["SIGSTOP", Signal.SIGSTOP],
  ["SIGWINCH", Signal.SIGWINCH],
]);

export function toExit(end: ProcessEvent_EndEvent): Exit {
  const { exitCode, exited, status, error, timedOut } = end;
  const signal = signalOfStatus(status);
  return {
    exitCode,
    exited,
    status,
    ...(error === undefined ? {} : { error }),
    ...(signal === undefined ? {} : { signal }),
    timedOut,
    offset: Number(end.offset),
  };
}

export function toOutputTimes({ offsets, atMs, withinMs }: ProcessEvent_TimesEvent): OutputTime[] {
  return offsets.map((offset, index) => ({
    offset: Number(offset),
    at: new Date(Number(atMs[index] ?? 0)),
    withinMs: Number(withinMs[index] ?? 1),
  }));
}

/** Undefined if the agent sent none. */
export function toTerminal(terminal: ProcessEvent_Terminal | undefined): TerminalState | undefined {
  if (terminal === undefined) return undefined;
  const { restore, cols, rows } = terminal;
  return { restore, size: { cols, rows } };
}

export function toProcessInfo(info: WireProcessInfo): ProcessInfo {
  const { pid, processId, tag, config, end, user, blockedMs, usage } = info;
  return {
    pid,
    processId,
    ...(tag === undefined ? {} : { tag }),
    cmd: config?.cmd ?? "",
    args: config?.args ?? [],
    env: config?.envs ?? {},
    ...(config?.cwd === undefined ? {} : { cwd: config.cwd }),
    ...(user === "" ? {} : { user }),
    isPty: info.pty,
    startedAt: new Date(Number(info.startedAtMs)),
    ...(end === undefined ? {} : { exit: toExit(end) }),
    offset: Number(info.offset),
    subscribers: info.subscribers,
    heldBytes: Number(info.heldBytes),
    reading: info.reading,
    attachOffset: Number(info.attachOffset),
    ...(blockedMs === undefined ? {} : { blockedMs: Number(blockedMs) }),
    ...(info.cols === 0 ? {} : { size: { cols: info.cols, rows: info.rows } }),
    ...named("detached", detachedNames.get(info.detached)),
    ...named("pausedReason", pausedReasons.get(info.pausedReason)),
    ...(info.pausedReason === PausedReason.SLOW_CLIENT ? { slowestOffset: Number(info.slowestOffset) } : {}),
    ...(usage === undefined
      ? {}
      : {
          usage: {
            cpuMs: Number(usage.cpuMs),
            residentBytes: Number(usage.residentBytes),
            processes: usage.processes,
          },
        }),
  };
}

/** Older agents do not send it. */
function named<Name extends string, Value>(name: Name, value: Value | undefined): { [N in Name]?: Value } {
  return value === undefined ? {} : ({ [name]: value } as { [N in Name]?: Value });
}

const detachedNames = new Map<OutputPolicy_Detached, NonNullable<ProcessInfo["detached"]>>([
  [OutputPolicy_Detached.BLOCK, "block"],
  [OutputPolicy_Detached.BUFFER, "buffer"],
  [OutputPolicy_Detached.RING, "ring"],
]);

const pausedReasons = new Map<PausedReason, NonNullable<ProcessInfo["pausedReason"]>>([
  [PausedReason.DETACHED, "detached"],
  [PausedReason.BUDGET, "budget"],
  [PausedReason.SLOW_CLIENT, "slowClient"],
]);

/** Undefined if the agent does not describe itself. */
export function toAgentInfo(agent: WireAgentInfo | undefined): AgentInfo | undefined {
  if (agent === undefined) return undefined;
  const { version, startedAtMs, nowMs, instanceId, budgetBytes } = agent;
  return {
    version,
    startedAt: new Date(Number(startedAtMs)),
    now: new Date(Number(nowMs)),
    ...(instanceId === "" ? {} : { instanceId }),
    ...(budgetBytes === 0n
      ? {}
      : {
          budgetBytes: Number(budgetBytes),
          heldBytes: Number(agent.heldBytes),
          budgetSpent: agent.budgetSpent,
          residentBytes: Number(agent.residentBytes),
          connections: agent.connections,
        }),
  };
}

function toOffset(name: string, value: number): bigint {
  return toWhole(name, value, "bytes");
}

function toWhole(name: string, value: number, unit: string): bigint {
  if (Number.isSafeInteger(value) && value >= 0) return BigInt(value);
  throw new ClientError(
    "invalid_argument",
    `${name} is ${value}, must be a whole number of ${unit}, 0 or more`,
  );
}

/**
 * Encodes the message once. A message that cannot be encoded must fail here; otherwise every try
 * would look like a failed connection.
 */
function checked<Name extends MessageName>(name: Name, message: Init<Name>): Init<Name> {
  try {
    encodeMessage(name, message);
    return message;
  } catch (cause) {
    throw new ClientError("invalid_argument", messageOf(cause), { cause });
  }
}
