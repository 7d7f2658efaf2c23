// One process, attached to this terminal or these pipes as if it ran here: its output and input, its signals, its window
// size and its exit status. Ends with the process, or when somebody leaves it running.
import { constants } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type { ProcessOptions, RemoteProcess, SignalName } from "../../client/index.ts";
import { type Deferred, deferred } from "../../deferred.ts";
import { ConnectionWatch } from "../connect/connection-watch.ts";
import { exitCodes } from "../exit-codes.ts";
import { exitStatus } from "../exit-status.ts";
import { jsonReport } from "../report/json-report.ts";
import { ReaderGoneError, type Report, WriteError } from "../report/report.ts";
import { textReport } from "../report/text-report.ts";
import { DetachKeyScanner, type DetachKeys } from "./detach-keys.ts";
import { InputFeed } from "./input-feed.ts";
import { SignalRelay } from "./signal-relay.ts";
import { openTerminal, type Terminal } from "./terminal.ts";

export interface SessionSettings {
  readonly json: boolean;
  /** Whether stdin is the process's. */
  readonly input: boolean;
  readonly detachKeys: DetachKeys;
  /** The agent's address, where coming back takes saying it. */
  readonly urlFlag: string | undefined;
  /** `run`: it ends with us. `attach`: it was there before, and goes on. */
  readonly isOurs: boolean;
}

/** Starts the process, or attaches to it. */
export type OpenProcess = (options: ProcessOptions) => Promise<RemoteProcess>;

/** How far its output is written out, which may be less than what has come. */
interface Place {
  offset: number;
}

/** Who left the process, and whether it is known to be over. */
interface Leave {
  readonly by: "keys" | SignalName;
  readonly isOver: boolean;
}

/** How long what is being written may take when somebody leaves; what takes longer comes again. */
const LAST_WRITE_MS = 250;

/** How long a process whose output nobody wants is tried to be told. */
const FAREWELL_MS = 2_000;

/** Resolves with the exit status. Rejects when the process cannot be reached, or not any more. */
export async function runSession(open: OpenProcess, settings: SessionSettings): Promise<number> {
  const report = settings.json ? jsonReport() : textReport();
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
    leave: (by, isOver) => leaving.resolve({ by, isOver }),
    trouble: report.trouble,
  });
  try {
    const remote = await Promise.race([open(connection.options), leaving.promise]);
    if ("by" in remote) {
      report.trouble("left before the agent answered");
      return statusOfLeaving(remote);
    }
    signals.attach(remote);
    terminal = await openTerminal(remote, settings);
    const place = { offset: remote.offset };
    return await live({ remote, place, terminal, report, leaving, settings });
  } finally {
    // First: a signal that comes after it has its usual effect.
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

async function live(session: Session): Promise<number> {
  const { remote, place, terminal, report, leaving, settings } = session;
  const input = settings.input ? feedInput(session) : undefined;
  try {
    await report.attached(remote, { isRaw: terminal.isRaw, keys: settings.detachKeys.name });
    const relayed = relayOutput(session);
    // What is written may wait for its reader for ever: whoever leaves does not.
    const leave = await Promise.race([relayed, leaving.promise]);
    if (leave !== undefined) {
      remote.detach();
      await Promise.race([relayed.catch(() => undefined), sleep(LAST_WRITE_MS)]);
      report.detached({ ...comeBack(remote.pid, place, settings), isOver: leave.isOver });
      return statusOfLeaving(leave);
    }
    const exit = await remote.exit;
    await report.ended(exit);
    return exitStatus(exit);
  } catch (error) {
    // Nobody gets its output: the program itself would die of SIGPIPE, or fail.
    const isUnwanted = error instanceof ReaderGoneError || error instanceof WriteError;
    if (isUnwanted && settings.isOurs) await end(remote);
    throw error;
  } finally {
    input?.stop();
    remote.detach();
  }
}

/** Resolves when all is written that came before its end. */
async function relayOutput({ remote, place, report }: Session): Promise<undefined> {
  for await (const event of remote) {
    if (event.kind === "gap") await report.gap(event);
    else await report.data(event);
    place.offset = event.kind === "gap" ? event.to : event.offset + event.data.length;
  }
}

function comeBack(pid: number, { offset }: Place, { urlFlag }: SessionSettings) {
  const url = urlFlag === undefined ? "" : ` --url ${urlFlag}`;
  return { pid, offset, command: `holdfast attach${url} ${pid} --from ${offset}` };
}

function feedInput({ remote, terminal, report, leaving, settings }: Session): InputFeed {
  return new InputFeed(remote, {
    keys: terminal.isRaw ? new DetachKeyScanner(settings.detachKeys) : undefined,
    onDetachKeys: () => leaving.resolve({ by: "keys", isOver: false }),
    // To a shell on a terminal that others use, too, an end of file is "exit".
    endsInput: settings.isOurs || !remote.isPty,
    onHangUp: () => leaving.resolve({ by: "SIGHUP", isOver: false }),
    trouble: report.trouble,
  });
}

async function end(remote: RemoteProcess): Promise<void> {
  // Whether it could be told or not: there is nobody to say it to.
  const told = remote.signal("SIGTERM", { group: true }).catch(() => undefined);
  await Promise.race([told, sleep(FAREWELL_MS)]);
}

function statusOfLeaving({ by }: Leave): number {
  return by === "keys" ? exitCodes.done : exitCodes.interrupted(constants.signals[by]);
}
