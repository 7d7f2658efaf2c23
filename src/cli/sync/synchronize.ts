// Runs `holdfast sync`.

import { type OutwardLinks, pathFilter, type UserFiles } from "../../filesystem/index.ts";
import { newClient, ONE_TRY, reconnectFor, withClient } from "../connect/with-client.ts";
import { withLocalFiles } from "../copy/local-tree.ts";
import { isLost, Patience } from "../copy/patience.ts";
import type { TransferContext } from "../copy/transfer-context.ts";
import { transferView } from "../copy/transfer-view.ts";
import { exitCodes } from "../exit-codes.ts";
import { sizeText } from "../files/byte-text.ts";
import { FileProblem, ifFound } from "../files/file-problem.ts";
import { type Place, placeOf } from "../files/place.ts";
import { untilSignal } from "../files/until-signal.ts";
import type { UrlFlag } from "../options/agent-flags.ts";
import { printNotice } from "../report/notices.ts";
import { writeOut } from "../report/report.ts";
import { printError } from "../stdio.ts";
import { type Changes, localChanges, remoteChanges } from "./changes.ts";
import { type RoundResult, Synchronization } from "./round.ts";
import { localSide, remoteSide } from "./sides.ts";
import { fetchPaths, sendPaths } from "./transfer.ts";

/** As commander names the values of the flags. */
export interface SyncFlags extends UrlFlag {
  readonly user?: string;
  readonly json?: boolean;
  readonly watch?: boolean;
  readonly delete?: boolean;
  readonly force?: boolean;
  readonly exclude: readonly string[];
  readonly links: OutwardLinks;
  readonly giveUpAfter?: number;
}

/** Then the user is told that the connection is lost, and the round is repeated. */
const CALL_RETRY_MS = 1_000;

/** Resolves with the exit code. */
export function synchronize(from: string, to: string, flags: SyncFlags): Promise<number> {
  const { url, user, json = false, giveUpAfter } = flags;
  const reconnect = { ...reconnectFor(giveUpAfter), callRetryMs: CALL_RETRY_MS };
  return withClient({ url, reconnect, user, failureCode: () => exitCodes.failed }, (client) =>
    untilSignal(async (signal) => {
      const places = placesOf(from, to);
      await reach(places.remote, user);
      const view = transferView(json);
      try {
        return await withLocalFiles((files) => run({ client, view, signal }, files, places, flags));
      } finally {
        view.stop();
      }
    }),
  );
}

interface Places {
  /** A path of this machine. */
  readonly local: string;
  /** A path of the agent. */
  readonly remote: string;
  readonly isUp: boolean;
  readonly source: string;
}

function placesOf(from: string, to: string): Places {
  const [source, target] = [placeOf(from), placeOf(to)];
  const other = (place: Place) => (place.kind === "local" ? place.path : undefined);
  if (target.kind === "remote" && other(source) !== undefined)
    return { local: other(source) ?? "", remote: target.path, isUp: true, source: from };
  if (source.kind === "remote" && other(target) !== undefined)
    return { local: other(target) ?? "", remote: source.path, isUp: false, source: from };
  throw new FileProblem(
    `${from} and ${to} must be a directory of this machine and one of the agent, which begins with ":"`,
  );
}

/** With one try: a wrong address is an error at once. */
async function reach(path: string, user: string | undefined): Promise<void> {
  const client = newClient(ONE_TRY, user);
  try {
    await ifFound(path, () => client.files.stat(path));
  } finally {
    client.close();
  }
}

async function run(
  context: TransferContext,
  files: UserFiles,
  places: Places,
  flags: SyncFlags,
): Promise<number> {
  const { watch = false, json = false } = flags;
  const { signal, view } = context;
  const synchronization = synchronizationOf(context, files, places, flags);
  // Before the first look, so that no change is missed.
  const changes = watch ? await changesOf(context, files, places, flags) : undefined;
  try {
    const first = await withPatience(context, flags, () => synchronization.run([""]));
    if (first === undefined) throw new FileProblem(missing(places));
    await report(first, context, json);
    if (changes === undefined) {
      if (!json) printNotice(summaryOf(first));
      return first.conflicts.length > 0 ? exitCodes.failed : exitCodes.done;
    }
    if (!json) printNotice(`${summaryOf(first)}; watching ${places.source}`);
    await view.reportEvent("watching", {});
    return await follow(changes, synchronization, context, flags);
  } finally {
    changes?.close();
    signal.throwIfAborted();
  }
}

function synchronizationOf(
  context: TransferContext,
  files: UserFiles,
  { local, remote, isUp }: Places,
  { exclude, links, force = false, delete: deletes = false, giveUpAfter }: SyncFlags,
): Synchronization {
  const { client, view } = context;
  const isExcluded = pathFilter(exclude);
  const here = localSide(files, local, isExcluded);
  const there = remoteSide(client, remote, isExcluded);
  const [from, to] = isUp ? [local, remote] : [remote, local];
  return new Synchronization({
    ...(isUp ? { source: here, target: there } : { source: there, target: here }),
    ...{ deletes, forces: force },
    transfer: async (source, paths) => {
      const bytes = paths.reduce((sum, path) => sum + (source.items.get(path)?.bytes ?? 0), 0);
      view.begin(from, bytes);
      const how = { from, to, source, paths, links, exclude, giveUpAfterMs: giveUpAfter };
      await (isUp ? sendPaths(context, files, how) : fetchPaths(context, files, how));
      view.stop();
    },
  });
}

function changesOf(
  context: TransferContext,
  files: UserFiles,
  { local, remote, isUp }: Places,
  { exclude }: SyncFlags,
): Promise<Changes> {
  if (!isUp) return remoteChanges(context.client, remote, exclude, context);
  return localChanges(files, local, exclude, context.signal);
}

/** Ends by an error or a signal only. */
async function follow(
  changes: Changes,
  synchronization: Synchronization,
  context: TransferContext,
  flags: SyncFlags,
): Promise<never> {
  let left: readonly string[] = [];
  for (;;) {
    const paths = [...left, ...(await changes.next())];
    try {
      const result = await withPatience(context, flags, () => synchronization.run(paths));
      left = [];
      if (result === undefined) printNotice("the source is gone: waiting until it returns");
      else await report(result, context, flags.json === true);
    } catch (error) {
      if (!(error instanceof FileProblem) || context.signal.aborted) throw error;
      context.view.stop();
      printError(`${error.message} (tried again with the next change)`);
      left = paths;
    }
  }
}

/** Repeats a round whose connection was lost. */
async function withPatience(
  { view, signal }: TransferContext,
  { giveUpAfter }: SyncFlags,
  act: () => Promise<RoundResult | undefined>,
): Promise<RoundResult | undefined> {
  const patience = new Patience(giveUpAfter);
  patience.succeeded();
  for (;;) {
    try {
      return await act();
    } catch (error) {
      signal.throwIfAborted();
      if (!isLost(error)) throw error;
      view.reconnecting({ reason: error });
      await patience.afterLoss(error, signal);
    }
  }
}

async function report(
  { copied, removed, conflicts, bytes }: RoundResult,
  { view }: TransferContext,
  isJson: boolean,
): Promise<void> {
  for (const { path, reason } of conflicts) {
    if (isJson) await view.reportEvent("conflict", { path, reason });
    else printError(`conflict: ${path} is left as it is: ${reason} (--force overwrites it)`);
  }
  if (!isJson) {
    const lines = [...removed.map((path) => `- ${path}\n`), ...copied.map((path) => `+ ${path}\n`)];
    if (lines.length > 0) await writeOut(process.stdout, lines.join(""));
    return;
  }
  for (const path of removed) await view.reportEvent("removed", { path });
  for (const path of copied) await view.reportEvent("copied", { path });
  await view.reportEvent("synced", {
    ...{ copied: copied.length, removed: removed.length, conflicts: conflicts.length, bytes },
  });
}

function summaryOf({ copied, removed, conflicts, bytes }: RoundResult): string {
  const parts = [`${copied.length} copied (${sizeText(bytes)})`];
  if (removed.length > 0) parts.push(`${removed.length} removed`);
  if (conflicts.length > 0) parts.push(`${conflicts.length} in conflict`);
  return parts.join(", ");
}

function missing({ isUp, local, remote }: Places): string {
  if (isUp) return `on this machine: "${local}" does not exist; a path on the agent begins with ":"`;
  return `on the agent: "${remote}" does not exist; holdfast ls lists the home there`;
}
