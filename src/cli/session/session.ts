// A process, attached to this terminal or these pipes as if it ran here: output, input, signals, window size and exit
// status. Ends when the process ends, or when the user leaves it running.

import { constants } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type { ProcessOptions, RemoteProcess, SignalName } from "../../client/index.ts";
import { type Deferred, deferred } from "../../deferred.ts";
import { flagsOfChosenAgent } from "../connect/chosen-agent.ts";
import { ConnectionWatch } from "../connect/connection-watch.ts";
import { exitCodes, exitStatus } from "../exit-codes.ts";
import { jsonReport } from "../report/json-report.ts";
import { ReaderGoneError, type Report, reportEvent, WriteError } from "../report/report.ts";
import { textReport } from "../report/text-report.ts";
import { DetachKeyScanner, type DetachKeys } from "./detach-keys.ts";
import { InputFeed } from "./input-feed.ts";
import { SignalRelay } from "./signal-relay.ts";
import { openTerminal, type Terminal, windowSize } from "./terminal.ts";
import { TerminalModes } from "./terminal-modes.ts";
import { terminalReport } from "./terminal-report.ts";

export interface SessionSettings {
  readonly json: boolean;
  /** Whether stdin is sent to the process. */
  readonly input: boolean;
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

/** What ended this session, and whether the process is known to have ended. */
interface Leave {
  readonly by: "keys" | SignalName;
  readonly hasEnded: boolean;
}

/** When the user leaves, the time for the current write. Output that takes longer is printed again after attaching. */
const LAST_WRITE_MS = 250;

/** The time to end a process whose output cannot be written. */
const END_MS = 2_000;

/** Resolves with the exit status. Rejects when the process cannot be reached, or can no longer be reached. */
export async function runSession(open: OpenProcess, settings: SessionSettings): Promise<number> {
  const modes = new TerminalModes({
    write: (data) => process.stdout.write(data),
    rows: () => windowSize()?.rows,
  });
  const report = settings.json ? jsonReport() : terminalReport(textReport(), modes);
  const leaving = deferred<Leave>();
  let terminal: Terminal | undefined;
  const connection = new ConnectionWatch({
    lost: report.lost,
    back: (offset, wasUp) => {
      report.back(offset, wasUp);
      terminal?.sendSize();
    },
  });
  const signals = new SignalRelay({
    isDown: () => connection.isDown,
    leave: (by, hasEnded) => leaving.resolve({ by, hasEnded }),
    reportProblem: report.problem,
  });
  try {
    const remote = await Promise.race([open(connection.options), leaving.promise]);
    if ("by" in remote) {
      report.problem("left before the agent answered");
      return statusOfLeaving(remote);
    }
    signals.attach(remote);
    terminal = await openTerminal(remote, settings, modes);
    const place = { offset: remote.offset };
    return await runAttached({ remote, place, terminal, report, leaving, settings });
  } finally {
    // The terminal first: after signals.stop, a signal ends this process at once.
    terminal?.close();
    signals.stop();
  }
}

interface Session {
  readonly remote: RemoteProcess;
  readonly place: Place;
  readonly terminal: Terminal;
  readonly report: Report;
  readonly leaving: Deferred<Leave>;
  readonly settings: SessionSettings;
}

async function runAttached(session: Session): Promise<number> {
  const { remote, place, terminal, report, leaving, settings } = session;
  const input = settings.input ? feedInput(session) : undefined;
  try {
    await report.attached(remote, { isRaw: terminal.isRaw, keys: settings.detachKeys.name });
    const relayed = relayOutput(session);
    // A write may wait for its reader forever; leaving must not.
    const leave = await Promise.race([relayed, leaving.promise]);
    if (leave !== undefined) {
      remote.detach();
      await Promise.race([relayed.catch(() => undefined), sleep(LAST_WRITE_MS)]);
      report.detached({ ...placeToReturn(remote.pid, place), hasEnded: leave.hasEnded });
      return statusOfLeaving(leave);
    }
    const exit = await remote.exit;
    await report.ended(exit);
    return exitStatus(exit);
  } catch (error) {
    // Nobody can read the output. Without holdfast, the program would die of SIGPIPE or fail to write.
    const isUnreadable = error instanceof ReaderGoneError || error instanceof WriteError;
    if (isUnreadable && settings.endsWithUs) await endProcess(remote);
    throw error;
  } finally {
    input?.stop();
    remote.detach();
  }
}

/** Resolves when the whole output of the process is written. */
async function relayOutput({ remote, place, report }: Session): Promise<undefined> {
  for await (const event of remote) {
    await reportEvent(report, event);
    place.offset = event.kind === "gap" ? event.to : event.offset + event.data.length;
  }
}

function placeToReturn(pid: number, { offset }: Place) {
  return { pid, offset, command: `holdfast attach${flagsOfChosenAgent()} ${pid} --from ${offset}` };
}

function feedInput({ remote, terminal, report, leaving, settings }: Session): InputFeed {
  return new InputFeed(remote, {
    keys: terminal.isRaw ? new DetachKeyScanner(settings.detachKeys) : undefined,
    onDetachKeys: () => leaving.resolve({ by: "keys", hasEnded: false }),
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

function statusOfLeaving({ by }: Leave): number {
  return by === "keys" ? exitCodes.done : exitCodes.interrupted(constants.signals[by]);
}
