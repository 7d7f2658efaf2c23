// Runs `holdfast cp`.

import { stat } from "node:fs/promises";
import type { Client } from "../../client/index.ts";
import type { OutwardLinks, UserFiles } from "../../filesystem/index.ts";
import { newClient, ONE_TRY, reconnectFor, withClient } from "../connect/with-client.ts";
import { exitCodes } from "../exit-codes.ts";
import { FileProblem, ifFound, localProblem, remoteProblem } from "../files/file-problem.ts";
import { nameOfPlace, type Place, placeOf } from "../files/place.ts";
import { untilSignal } from "../files/until-signal.ts";
import type { UrlFlag } from "../options/agent-flags.ts";
import { writeOut } from "../report/report.ts";
import { printError } from "../stdio.ts";
import { type Copy, type LookUps, type PathState, planCopies } from "./copy-plan.ts";
import { downloadFile, downloadToStdout } from "./download-file.ts";
import type { TransferContext } from "./transfer-context.ts";
import { transferView } from "./transfer-view.ts";
import { uploadFile, uploadStdin } from "./upload-file.ts";
import type { CopiedTree } from "./upload-tree.ts";

/** As commander names the values of the flags. */
export interface CpFlags extends UrlFlag {
  readonly user?: string;
  readonly json?: boolean;
  readonly links: OutwardLinks;
  readonly exclude: readonly string[];
  readonly giveUpAfter?: number;
}

/** Resolves with the exit code. */
export function copyFiles(words: readonly string[], flags: CpFlags): Promise<number> {
  const { url, user, json = false, giveUpAfter } = flags;
  const reconnect = reconnectFor(giveUpAfter);
  return withClient({ url, reconnect, user, failureCode: () => exitCodes.failed }, (client) =>
    untilSignal(async (signal) => {
      const places = words.map(placeOf);
      const target = places.pop() ?? placeOf("");
      if (json && target.kind === "pipe")
        throw new FileProblem('--json and "-" would both write to stdout: leave out one of them');
      const copies = await plan(places, target, user, signal);
      const view = transferView(json);
      try {
        return await copyAll(copies, { client, view, signal }, flags);
      } finally {
        view.stop();
      }
    }),
  );
}

/** With a client that tries once: a wrong address is an error at once. */
async function plan(
  sources: Parameters<typeof planCopies>[0],
  target: Parameters<typeof planCopies>[1],
  user: string | undefined,
  signal: AbortSignal,
): Promise<Copy[]> {
  const client = newClient(ONE_TRY, user);
  try {
    return await planCopies(sources, target, lookUps(client, signal));
  } finally {
    client.close();
  }
}

function lookUps(client: Client, signal: AbortSignal): LookUps {
  return {
    remote: async (path) => {
      const entry = await ifFound(path, () => client.files.stat(path, { signal }));
      if (entry === undefined) return undefined;
      const { kind, mode, size } = entry;
      // A link without a target counts as what a copy to it makes of it.
      return { kind: kind === "link" ? "file" : kind, mode, bytes: size };
    },
    local: async (path) => {
      try {
        const stats = await stat(path);
        const kind = stats.isFile() ? "file" : stats.isDirectory() ? "directory" : "other";
        return { kind, mode: stats.mode & 0o777, bytes: stats.size };
      } catch (error) {
        if (Reflect.get(Object(error), "code") === "ENOENT") return undefined;
        throw localProblem("read", path, error);
      }
    },
  };
}

/** A copy that fails because of its files does not stop the others. */
async function copyAll(copies: readonly Copy[], context: TransferContext, flags: CpFlags): Promise<number> {
  let code: number = exitCodes.done;
  for (const copy of copies) {
    try {
      if (!(await copyOne(copy, context, flags))) code = exitCodes.failed;
    } catch (error) {
      if (!(error instanceof FileProblem) || context.signal.aborted) throw error;
      context.view.stop();
      printError(error.message);
      code = exitCodes.failed;
    }
  }
  return code;
}

/** Returns false if a part of the source could not be read, which was printed. */
async function copyOne(copy: Copy, context: TransferContext, flags: CpFlags): Promise<boolean> {
  const { source, state, target } = copy;
  const { view } = context;
  if (state?.kind === "directory") return copyDirectory(copy, context, flags);
  // The bar of a pipe to stdout would be drawn over what the terminal shows.
  const isShown = target.kind !== "pipe" || process.stdout.isTTY !== true;
  if (isShown) view.begin(shortName(source), state?.kind === "file" ? state.bytes : undefined);
  const bytes = await copyContent(copy, isShown ? context : { ...context, view: silent(view) });
  if (isShown) view.end(bytes);
  await view.reportEvent("copied", { source: source.typed, target: target.typed, kind: "file", bytes });
  return true;
}

async function copyContent({ source, state, target }: Copy, context: TransferContext): Promise<number> {
  if (target.kind === "remote") {
    if (source.kind !== "local") return (await uploadStdin(context, target.path)).size;
    const { kind, mode = 0o644, bytes = 0 } = state ?? {};
    const from = { path: source.path, bytes, isRegular: kind === "file" };
    return (await uploadFile(context, from, target.path, kind === "file" ? { mode } : {})).size;
  }
  if (source.kind !== "remote") throw new Error("one side of a copy is on the agent");
  if (target.kind === "pipe") return await downloadToStdout(context, source.path);
  const isSpecial = (await localKind(target.path)) === "other";
  return await downloadFile(context, source.path, { path: target.path, isSpecial }, state?.mode ?? 0o644);
}

async function localKind(path: string): Promise<PathState["kind"]> {
  const stats = await stat(path).catch(() => undefined);
  return stats === undefined || stats.isFile() ? "file" : "other";
}

async function copyDirectory(copy: Copy, context: TransferContext, flags: CpFlags): Promise<boolean> {
  const { source, target } = copy;
  const { view } = context;
  if (target.kind === "pipe") return await archiveToStdout(copy, context, flags);
  const { withLocalFiles } = await import("./local-tree.ts");
  const copied = await withLocalFiles((files) => copyTree(copy, files, context, flags));
  view.end(copied.bytes);
  const { skippedEntries, notRead, ...counts } = copied;
  await view.reportEvent("copied", {
    source: source.typed,
    target: target.typed,
    kind: "directory",
    ...counts,
  });
  // Not a notice: something is missing.
  if (copied.skipped > 0) printError(leftOut(source.typed, copied));
  // What --links skip leaves out is as asked for.
  return notRead === 0;
}

async function copyTree(
  { source, target }: Copy,
  files: UserFiles,
  context: TransferContext,
  { links, exclude, giveUpAfter: giveUpAfterMs }: CpFlags,
): Promise<CopiedTree> {
  const { view } = context;
  if (target.kind === "remote" && source.kind === "local") {
    const { pathFilter } = await import("../../filesystem/index.ts");
    const { uploadTree } = await import("./upload-tree.ts");
    const { bytesOfTree } = await import("./local-tree.ts");
    const isExcluded = pathFilter(exclude);
    view.begin(
      shortName(source),
      view.showsBar ? await bytesOfTree(files, source.path, isExcluded) : undefined,
    );
    return await uploadTree(context, files, source.path, target.path, { links, isExcluded, giveUpAfterMs });
  }
  if (source.kind !== "remote" || target.kind !== "local")
    throw new Error("one side of a copy is on the agent");
  const { downloadTree } = await import("./download-tree.ts");
  view.begin(shortName(source), undefined);
  return await downloadTree(context, files, source.path, target.path, { links, exclude, giveUpAfterMs });
}

async function archiveToStdout(
  { source }: Copy,
  { client, signal }: TransferContext,
  { exclude }: CpFlags,
): Promise<boolean> {
  if (source.kind !== "remote") throw new Error("one side of a copy is on the agent");
  if (process.stdout.isTTY === true)
    throw new FileProblem(
      `${source.typed} is a directory, and "-" would write it to the terminal as a tar archive: redirect stdout`,
    );
  try {
    const download = await client.files.downloadDirectory(source.path, { exclude, signal });
    for await (const piece of download) await writeOut(process.stdout, piece);
    const { skipped = 0, skippedEntries = [] } = download.summary ?? {};
    if (skipped > 0) printError(leftOut(source.typed, { skipped, skippedEntries }));
    return skipped === 0;
  } catch (error) {
    throw remoteProblem(error, source.path);
  }
}

/** For the bar: the end of a path says more than its beginning. */
function shortName(source: Place): string {
  return source.kind === "pipe" ? "-" : nameOfPlace(source) || source.typed;
}

function silent(view: TransferContext["view"]): TransferContext["view"] {
  return { ...view, moved: () => undefined };
}

const MAX_NAMED = 5;

function leftOut(
  source: string,
  { skipped, skippedEntries }: Pick<CopiedTree, "skipped" | "skippedEntries">,
): string {
  const named = skippedEntries.slice(0, MAX_NAMED).map(({ name, reason }) => `${name} (${reason})`);
  const rest =
    skipped > named.length
      ? [
          `${skipped - named.length} ${named.length > 0 ? "more" : "sockets, FIFOs, devices, or names that are not UTF-8"}`,
        ]
      : [];
  return `left out of ${source}: ${[...named, ...rest].join("; ")}`;
}
