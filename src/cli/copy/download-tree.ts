// A directory of the agent becomes one of this machine: one request, and after a lost connection
// one more for the missing entries.

import { fstatSync } from "node:fs";
import type {
  OutwardLinks,
  PathFilter,
  UnpackProgress,
  UnpackStep,
  UserFiles,
} from "../../filesystem/index.ts";
import { remoteProblem } from "../files/file-problem.ts";
import { globsBefore } from "./done-before.ts";
import { applySteps, unpackDirectory } from "./local-tree.ts";
import { isLost, Patience } from "./patience.ts";
import type { TransferContext } from "./transfer-context.ts";
import type { CopiedTree } from "./upload-tree.ts";

/** The agent's limit of a request. */
const MAX_GLOBS = 64;

export interface DownloadTreeHow {
  readonly links: OutwardLinks;
  readonly exclude: readonly string[];
  /** The entries that are not unpacked. */
  readonly isExcluded?: PathFilter;
  readonly giveUpAfterMs: number | undefined;
}

export async function downloadTree(
  { client, view, signal }: TransferContext,
  files: UserFiles,
  from: string,
  to: string,
  { links, exclude, isExcluded = () => false, giveUpAfterMs }: DownloadTreeHow,
): Promise<CopiedTree> {
  const patience = new Patience(giveUpAfterMs);
  const created = new Created();
  const seen = new Set<string>();
  let arrived: string[] = [];
  for (let attempt = 1; ; attempt++) {
    try {
      const download = await client.files.downloadDirectory(from, {
        signal,
        exclude: [...exclude, ...arrived],
        onProgress: () => patience.succeeded(),
      });
      const progress: UnpackProgress = {
        ...{ files: 0, directories: 0, links: 0, bytes: 0, skipped: [], skippedCount: 0 },
      };
      const before = created.counts.bytes;
      await unpackDirectory(
        files,
        to,
        shown(download, (bytes) => view.moved(before + bytes)),
        {
          links,
          progress,
          isExcluded: (path) => {
            seen.add(path);
            return isExcluded(path);
          },
          onCreated: (steps) => created.note(steps),
        },
      );
      if (attempt > 1) await applySteps(files, to, created.finishedDirectories());
      const { skippedCount, skipped } = progress;
      const { skipped: notRead = 0, skippedEntries: notReadEntries = [] } = download.summary ?? {};
      return {
        ...created.counts,
        ...{ skipped: skippedCount + notRead, notRead },
        skippedEntries: [...notReadEntries, ...skipped],
      };
    } catch (error) {
      signal.throwIfAborted();
      if (!isLost(error)) throw remoteProblem(error, from);
      view.reconnecting({ reason: error });
      await patience.afterLoss(error, signal);
      const { last } = created;
      if (last !== undefined)
        arrived = globsBefore([...seen], last.path, last.isDirectory, MAX_GLOBS - exclude.length);
    }
  }
}

async function* shown(
  pieces: AsyncIterable<Uint8Array>,
  onBytes: (bytes: number) => void,
): AsyncGenerator<Uint8Array, void, void> {
  let bytes = 0;
  for await (const piece of pieces) {
    bytes += piece.length;
    onBytes(bytes);
    yield piece;
  }
}

/** The unpacked entries of all requests. An entry that comes again counts once. */
class Created {
  readonly counts = { files: 0, directories: 0, links: 0, bytes: 0 };
  last: { readonly path: string; readonly isDirectory: boolean } | undefined;
  readonly #paths = new Set<string>();
  readonly #directories = new Map<string, UnpackStep>();

  note(steps: readonly UnpackStep[]): void {
    for (const step of steps) {
      if (step.kind === "finished") continue;
      const isDirectory = step.kind === "directory";
      if (isDirectory) this.#directories.set(step.path, step);
      if (step.path !== "") this.last = { path: step.path, isDirectory };
      if (this.#paths.has(step.path)) continue;
      this.#paths.add(step.path);
      if (isDirectory) this.counts.directories++;
      else if (step.kind === "file" || step.kind === "spooled") this.counts.files++;
      else this.counts.links++;
      if (step.kind === "file") this.counts.bytes += step.content.length;
      // Still open: the call that created it has just returned.
      if (step.kind === "spooled") this.counts.bytes += fstatSync(step.fd).size;
    }
  }

  /** Children first: the directories of requests that were cut have not got their mode and time. */
  finishedDirectories(): UnpackStep[] {
    return [...this.#directories.values()]
      .reverse()
      .flatMap((step) => (step.kind === "directory" ? [{ ...step, kind: "finished" as const }] : []));
  }
}
