// A process, attached to this terminal or these pipes as if it ran here: output, input, signals, window size and exit
// status. Ends when the process ends, or when the user leaves it running.

import { setTimeout as sleep } from "node:timers/promises";
import { isatty } from "node:tty";
import type { ProcessOptions, RemoteProcess } from "../../client/index.ts";
import { type Deferred, deferred } from "../../deferred.ts";
import { flagsOfChosenAgent } from "../connect/chosen-agent.ts";
import { ConnectionWatch } from "../connect/connection-watch.ts";
import { exitStatus } from "../exit-codes.ts";
import { jsonReport } from "../report/json-report.ts";
import { areNoticesSilent, printNotice } from "../report/notices.ts";
import { ReaderGoneError, type Report, reportEvent, WriteError } from "../report/report.ts";
import { textReport } from "../report/text-report.ts";
import { AwayLine } from "./away-line.ts";
import { DetachKeyScanner, type DetachKeys } from "./detach-keys.ts";
import { InputFeed } from "./input-feed.ts";
import { type Fate, type Leave, statusOfLeaving } from "./leaving.ts";
import { RestingCode } from "./resting-code.ts";
import { SignalRelay } from "./signal-relay.ts";
import { openStdin, StdinError } from "./stdin.ts";
import { openTerminal, type Terminal, windowSize } from "./terminal.ts";
import { TerminalModes } from "./terminal-modes.ts";
import { terminalReport } from "./terminal-report.ts";

export interface SessionSettings {
  readonly json: boolean;
  /** Whether stdin is sent to the process; `possible`: if the process accepts input. */
  readonly input: "none" | "possible" | "asked";
  /** Whether signals are sent to the process. */
  readonly signals: boolean;
  readonly detachKeys: DetachKeys;
  /** True for `run`. False for `attach`: the process was there before and continues after us. */
  readonly endsWithUs: boolean;
}

/** Starts the process, or attaches to it. */
export type OpenProcess = (options: ProcessOptions) => Promise<RemoteProcess>;

/** The end of the output that is written out; more may have been received. */
interface Place {
  offset: number;
}

/** When the user leaves, the time for the current write. Output that takes longer is printed again after attaching. */
const LAST_WRITE_MS = 250;

/** The time to end a process whose output cannot be written. */
const END_MS = 2_000;

/** Resolves with the exit status. Rejects when the process cannot be reached, or can no longer be reached. */
export async function runSession(open: OpenProcess, settings: SessionSettings): Promise<number> {
  if (settings.input === "asked") openStdin();
  const modes = new TerminalModes({
    write: (data) => process.stdout.write(data),
    rows: () => windowSize()?.rows,
  });
  const plainReport = settings.json ? jsonReport() : terminalReport(textReport(), modes);
  const leaving = deferred<Leave>();
  const state: SessionState = {
    ...{ terminal: undefined, input: undefined, writingSinceMs: undefined },
    code: new RestingCode(),
  };
  const awayLine = new AwayLine({
    keys: () => (state.terminal?.isRaw === true ? "Enter tries now, q or Ctrl-C leaves" : "Ctrl-C leaves"),
    isShown: !settings.json && process.stderr.isTTY === true && !areNoticesSilent(),
  });
  const report = besideLine(plainReport, awayLine);
  const connection = new ConnectionWatch({
    lost: report.lost,
    gone: report.gone,
    retrying: (delayMs) => awayLine.waiting(delayMs),
    back: (offset, wasUp) => {
      awayLine.clear();
      report.back(offset, wasUp);
      state.input?.reconnected();
      state.terminal?.reconnected();
    },
    stopping: report.stopping,
  });
  const signals = new SignalRelay({
    forwards: settings.signals,
    keepsEarly: settings.endsWithUs,
    isDown: () => connection.isDown,
    leave: (by, hasEnded) => leaving.resolve({ by, hasEnded }),
    onLastPress: (name) => {
      const next = name === "SIGINT" ? "the next Ctrl-C" : "the next one";
      report.problem(`${name} was sent again; ${next} leaves the process running`);
    },
    unreadMs: () => performance.now() - (state.writingSinceMs ?? performance.now()),
    reportProblem: report.problem,
  });
  try {
    const remote = await Promise.race([open(connection.options), leaving.promise]);
    if ("by" in remote) {
      awayLine.clear();
      report.problem("left before the agent answered");
      return statusOfLeaving(remote);
    }
    signals.attach(remote);
    const input = takesInput(remote, settings);
    if (input && settings.input === "possible") openStdin();
    const terminal = await openTerminal(remote, { ...settings, input }, modes);
    state.terminal = terminal;
    const place = { offset: remote.offset };
    const session = { remote, place, terminal, report, leaving, connection, settings, state };
    return await runAttached(session, input);
  } finally {
    awayLine.clear();
    state.code.stop();
    // The terminal first: after signals.stop, a signal ends this process at once.
    state.terminal?.close();
    signals.stop();
  }
}

/** Removes the line before anything else is written below the output. */
function besideLine(report: Report, awayLine: AwayLine): Report {
  return {
    ...report,
    gone: (reason) => {
      awayLine.hide();
      report.gone(reason);
    },
    problem: (message) => {
      awayLine.hide();
      report.problem(message);
    },
    detached: (how) => {
      awayLine.clear();
      report.detached(how);
    },
  };
}

/** The parts that exist only once the process is attached. */
interface SessionState {
  terminal: Terminal | undefined;
  input: InputFeed | undefined;
  /** When the current write of output began. */
  writingSinceMs: number | undefined;
  readonly code: RestingCode;
}

/** Throws a StdinError if input was asked for and the process has none. */
function takesInput({ pid, isPty, acceptsInput }: RemoteProcess, { input, json }: SessionSettings): boolean {
  if (input === "asked" && acceptsInput === false)
    throw new StdinError(`process ${pid} has no stdin: it was started without -i. Leave out -i`);
  if (input !== "possible") return input === "asked";
  // Without its keys, a terminal here is of no use to one there.
  return isPty ? isatty(0) && !json : acceptsInput !== false;
}

interface Session {
  readonly remote: RemoteProcess;
  readonly place: Place;
  readonly terminal: Terminal;
  readonly report: Report;
  readonly leaving: Deferred<Leave>;
  readonly connection: ConnectionWatch;
  readonly settings: SessionSettings;
  readonly state: SessionState;
}

async function runAttached(session: Session, takesInput: boolean): Promise<number> {
  const { remote, place, terminal, report, leaving, settings, state } = session;
  const failed = deferred<never>();
  failed.promise.catch(() => {
    // The race below reports it, unless the session has ended.
  });
  if (takesInput) state.input = feedInput(session, failed.reject);
  try {
    nameWayOut(session);
    await report.attached(remote, { isRaw: terminal.isRaw, keys: settings.detachKeys.name });
    const relayed = relayOutput(session);
    // A write may wait for its reader forever; leaving must not.
    const leave = await Promise.race([relayed, leaving.promise, failed.promise]);
    if (leave !== undefined) {
      remote.detach();
      await Promise.race([relayed.catch(() => undefined), sleep(LAST_WRITE_MS)]);
      report.detached({ ...placeToReturn(remote.pid, place), fate: fateOf(leave, session) });
      return statusOfLeaving(leave);
    }
    const exit = await remote.exit;
    await report.ended(exit);
    return exitStatus(exit);
  } catch (error) {
    // Nobody can read the output. Without holdfast, the program would die of SIGPIPE or fail to write.
    const isUnreadable = error instanceof ReaderGoneError || error instanceof WriteError;
    const isUnfed = error instanceof StdinError;
    if ((isUnreadable || isUnfed) && settings.endsWithUs) await endProcess(remote);
    throw error;
  } finally {
    state.input?.stop();
    remote.detach();
  }
}

/** Resolves when the whole output of the process is written. */
async function relayOutput({ remote, place, report, state }: Session): Promise<undefined> {
  state.code.work();
  for await (const event of remote) {
    state.code.work();
    state.writingSinceMs = performance.now();
    await reportEvent(report, event);
    state.writingSinceMs = undefined;
    place.offset = event.kind === "gap" ? event.to : event.offset + event.data.length;
  }
}

function placeToReturn(pid: number, { offset }: Place) {
  return { pid, offset, command: `holdfast attach${flagsOfChosenAgent()} ${pid} --from ${offset}` };
}

/** A person who attaches to a process without a terminal of its own sees no prompt, and may expect Ctrl-C only to leave. */
function nameWayOut({ remote, terminal, settings }: Session): void {
  const { json, endsWithUs, signals } = settings;
  if (endsWithUs || json || terminal.isRaw || process.stderr.isTTY !== true) return;
  const ways = signals ? "Ctrl-C is sent to it, the third one leaves it running" : "Ctrl-C leaves it running";
  printNotice(`attached to process ${remote.pid}; ${ways}`);
}

function fateOf({ hasEnded }: Leave, { connection }: Session): Fate {
  if (hasEnded) return "ended";
  if (connection.isStopping) return "ending";
  return connection.isDown ? "unknown" : "running";
}

function feedInput(session: Session, onFailure: (error: StdinError) => void): InputFeed {
  const { remote, terminal, report, leaving, connection, settings } = session;
  return new InputFeed(remote, {
    keys: terminal.isRaw ? new DetachKeyScanner(settings.detachKeys) : undefined,
    onDetachKeys: () => leaving.resolve({ by: "keys", hasEnded: false }),
    isDown: () => connection.isDown,
    onFailure,
    // A shell on a terminal takes an end of file as "exit", and other clients may use the terminal.
    endsInput: settings.endsWithUs || !remote.isPty,
    onHangUp: () => leaving.resolve({ by: "SIGHUP", hasEnded: false }),
    reportProblem: report.problem,
  });
}

async function endProcess(remote: RemoteProcess): Promise<void> {
  // A failure is not reported: the caller reports why the output cannot be written.
  const sent = remote.signal("SIGTERM", { group: true }).catch(() => undefined);
  await Promise.race([sent, sleep(END_MS)]);
}
