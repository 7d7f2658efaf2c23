// Directories of this machine as archives. The agent's own code packs and unpacks them, on threads: with modes, times, links
// and holes, and nothing is unpacked through a link.

import { resolve } from "node:path";
import {
  closeFile,
  createFileAccess,
  findFileUser,
  type OutwardLinks,
  type PackProgress,
  type PathFilter,
  packTree,
  reasonOf,
  type UnpackProgress,
  type UnpackStep,
  type UserFiles,
  unpackTree,
} from "../../filesystem/index.ts";
import { localProblem, onThisMachine } from "../files/file-problem.ts";

const BUFFER_BYTES = 256 * 1024;

/** Calls on the files of this machine, with the rights of this command. */
export async function withLocalFiles<T>(use: (files: UserFiles) => Promise<T>): Promise<T> {
  const access = createFileAccess("agent");
  try {
    return await use(access.for(await findFileUser(undefined)));
  } finally {
    await access.close();
  }
}

export interface Packed {
  readonly archive: AsyncIterable<Uint8Array>;
  readonly progress: PackProgress;
  /** Ends the reading. */
  close(): Promise<void>;
}

/** `path` is a directory. Leaves out what `isExcluded` names. */
export async function packDirectory(files: UserFiles, path: string, isExcluded: PathFilter): Promise<Packed> {
  const root = await onThisMachine("read", path, () => files.call("openTree", [Buffer.from(resolve(path))]));
  const abort = new AbortController();
  const progress: PackProgress = {
    ...{ files: 0, directories: 0, links: 0, bytes: 0, skipped: [], skippedCount: 0 },
  };
  const request = { files, root, isExcluded, progress, bufferBytes: BUFFER_BYTES, signal: abort.signal };
  async function* archive(): AsyncGenerator<Uint8Array, void, void> {
    try {
      yield* packTree(request);
    } catch (error) {
      throw localProblem("read", path, error);
    }
  }
  return {
    archive: archive(),
    progress,
    close: async () => {
      abort.abort();
      await closeFile(root.fd);
    },
  };
}

export interface UnpackHow {
  readonly isExcluded: PathFilter;
  readonly links: OutwardLinks;
  readonly progress: UnpackProgress;
  /** The created entries, in their order. */
  onCreated(steps: readonly UnpackStep[]): void;
}

/** Makes the directory if it is missing. Errors of `archive` are passed on unchanged. */
export async function unpackDirectory(
  files: UserFiles,
  path: string,
  archive: AsyncIterable<Uint8Array>,
  { isExcluded, links, progress, onCreated }: UnpackHow,
): Promise<void> {
  await inTree(files, path, async (root) => {
    let failure: { readonly error: unknown } | undefined;
    async function* watched(): AsyncGenerator<Uint8Array, void, void> {
      try {
        yield* archive;
      } catch (error) {
        failure = { error };
        throw error;
      }
    }
    try {
      await unpackTree({
        files: reporting(files, onCreated),
        ...{ root, isExcluded, progress, archive: watched(), outwardLinks: links, owner: undefined },
        bufferBytes: BUFFER_BYTES,
        directory: Buffer.from(resolve(path)),
      });
    } catch (error) {
      throw failure === undefined ? localProblem("write", path, error) : failure.error;
    }
  });
}

/** Runs steps of unpacking again, such as those that give directories their mode and time. */
export function applySteps(files: UserFiles, path: string, steps: readonly UnpackStep[]): Promise<void> {
  return inTree(files, path, async (root) => {
    for (let from = 0; from < steps.length; from += 256)
      await onThisMachine("write", path, () =>
        files.call("unpackEntries", [root, steps.slice(from, from + 256)]),
      );
  });
}

async function inTree(files: UserFiles, path: string, use: (root: number) => Promise<void>): Promise<void> {
  const root = await onThisMachine("write", path, () =>
    files.call("openUnpackRoot", [Buffer.from(resolve(path)), undefined]),
  );
  try {
    await use(root);
  } finally {
    await closeFile(root);
  }
}

function reporting(files: UserFiles, onCreated: UnpackHow["onCreated"]): UserFiles {
  return {
    user: files.user,
    call: async (name, values, options) => {
      const result = await files.call(name, values, options);
      if (name === "unpackEntries") onCreated(values[1] as readonly UnpackStep[]);
      return result;
    },
  };
}

/** The bytes of all files in a directory. */
export async function bytesOfTree(files: UserFiles, path: string, isExcluded: PathFilter): Promise<number> {
  const root = await onThisMachine("read", path, () => files.call("openTree", [Buffer.from(resolve(path))]));
  const entriesIn = (folder: Buffer) =>
    files.call("readTreeFolder", [root.fd, folder]).catch((error: unknown) => {
      // The copy leaves it out also, and says so.
      if (reasonOf(error) === undefined) throw error;
      return undefined;
    });
  const below = async (folder: Buffer): Promise<number> => {
    let bytes = 0;
    for (const entry of (await entriesIn(folder)) ?? []) {
      const name = Buffer.from(entry.name);
      const place = folder.length === 0 ? name : Buffer.concat([folder, Buffer.from("/"), name]);
      if (isExcluded(place.toString())) continue;
      bytes += entry.kind === "directory" ? await below(place) : entry.bytes;
    }
    return bytes;
  };
  try {
    return await onThisMachine("read", path, () => below(Buffer.alloc(0)));
  } finally {
    await closeFile(root.fd);
  }
}
