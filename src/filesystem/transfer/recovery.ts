// At the start of an agent: completes the files that an agent that was killed had begun to write in place. Threads do it
// with the rights of the user of each record.

import { existsSync, promises } from "node:fs";
import { lookupUid } from "../../linux/index.ts";
import type { Logger } from "../../logger.ts";
import { createFileAccess, type UserFiles } from "../file-access.ts";
import { type FileUser, findFileUser } from "../file-user.ts";
import { REDO_CONTENT_SUFFIX, REDO_PREFIX } from "./redo-record.ts";
import { SHARED_DIRECTORIES } from "./spool.ts";

/** Resolves when all of them are complete. Never rejects. */
export async function completeUploads(logger: Logger): Promise<void> {
  const records = await recordsOf(SHARED_DIRECTORIES);
  if (records.length === 0) return;
  // Threads of their own, which end with the work.
  const access = createFileAccess("user");
  try {
    for (const { path, uid } of records) {
      try {
        const user = await userOf(uid);
        if (user !== undefined) await completeOne(access.for(user), path, uid, logger);
      } catch (error) {
        // Another agent of this machine was sooner.
        if (!existsSync(path)) continue;
        logger.warn(
          { err: error, record: path },
          "an upload of an agent that was killed could not be completed",
        );
      }
    }
  } finally {
    await access.close();
  }
}

async function completeOne(files: UserFiles, record: string, uid: number, logger: Logger): Promise<void> {
  const { kind, path } = await files.call("completeRedo", [record, uid]);
  if (kind === "completed")
    logger.info(
      { path: Buffer.from(path ?? []).toString() },
      "completed an upload of an agent that was killed",
    );
}

interface FoundRecord {
  readonly path: string;
  readonly uid: number;
}

async function recordsOf(directories: readonly string[]): Promise<readonly FoundRecord[]> {
  const found: FoundRecord[] = [];
  for (const directory of directories) {
    const names = await promises.readdir(directory).catch(() => []);
    for (const name of names) {
      if (!name.startsWith(REDO_PREFIX) || name.endsWith(REDO_CONTENT_SUFFIX)) continue;
      const path = `${directory}/${name}`;
      const uid = await promises.lstat(path).then(
        (stats) => stats.uid,
        () => undefined,
      );
      if (uid !== undefined) found.push({ path, uid });
    }
  }
  return found;
}

/** Undefined if this agent may not act for the user. */
async function userOf(uid: number): Promise<FileUser | undefined> {
  if (uid === process.getuid?.()) return await findFileUser(undefined);
  if (process.getuid?.() !== 0) return undefined;
  const { name } = await lookupUid(uid);
  return await findFileUser(name);
}
