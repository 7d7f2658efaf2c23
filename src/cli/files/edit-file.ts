// Runs `holdfast edit`: the content is compared with the one that was fetched, and stored only over that version.

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, ClientError, FileChangedError } from "../../client/index.ts";
import { explainFailure } from "../connect/client-failure.ts";
import { newClient, ONE_TRY, reconnectFor, withClient } from "../connect/with-client.ts";
import { transferView } from "../copy/transfer-view.ts";
import { exitCodes } from "../exit-codes.ts";
import type { UrlFlag } from "../options/agent-flags.ts";
import { printNotice } from "../report/notices.ts";
import { FileProblem, ifFound, onThisMachine, remoteProblem } from "./file-problem.ts";
import { nameOfPlace } from "./place.ts";
import { remotePlace } from "./remote-place.ts";
import { editorOf, runEditor } from "./run-editor.ts";

/** As commander names the values of the flags. */
export interface EditFlags extends UrlFlag {
  readonly user?: string;
  readonly giveUpAfter?: number;
}

/** The fetched file. `etag` is undefined for a file that does not exist. */
interface Fetched {
  readonly content: Uint8Array;
  readonly etag: string | undefined;
}

/** Resolves with the exit code. */
export function editFile(word: string, flags: EditFlags): Promise<number> {
  const { url, user, giveUpAfter } = flags;
  const reconnect = reconnectFor(giveUpAfter);
  return withClient({ url, reconnect, user, failureCode: () => exitCodes.failed }, async (client) => {
    const { path, typed } = remotePlace(word);
    const fetched = await fetchFile(client, path, typed, user);
    const folder = await onThisMachine("write", tmpdir(), () => mkdtemp(join(tmpdir(), "holdfast-edit-")));
    const copy = join(folder, nameOfPlace({ path }));
    const forget = () => rm(folder, { recursive: true, force: true });
    await onThisMachine("write", copy, () => writeFile(copy, fetched.content, { mode: 0o600 }));
    const failure = await runEditor(editorOf(process.env), copy);
    const edited = await readFile(copy).catch(() => undefined);
    if (edited === undefined || Buffer.from(fetched.content).equals(edited)) {
      await forget();
      if (failure !== undefined) throw new FileProblem(failure);
      printNotice(`${typed} is unchanged: nothing is stored`);
      return exitCodes.done;
    }
    if (failure !== undefined) throw notStored(failure, copy, typed);
    await store(client, { path, typed, copy, fetched, edited, url });
    await forget();
    return exitCodes.done;
  });
}

async function fetchFile(
  client: Client,
  path: string,
  typed: string,
  user: string | undefined,
): Promise<Fetched> {
  const first = newClient(ONE_TRY, user);
  try {
    const entry = await ifFound(path, () => first.files.stat(path));
    if (entry === undefined) {
      if (path.endsWith("/"))
        throw new FileProblem(`${typed} names a directory, and only a file can be edited`);
      return { content: new Uint8Array(0), etag: undefined };
    }
    if (entry.kind !== "file") throw new FileProblem(`${typed} is not a file: only a file can be edited`);
  } finally {
    first.close();
  }
  try {
    const download = await client.files.download(path, { onReconnect: transferView(false).reconnecting });
    return { content: await download.bytes(), etag: download.etag };
  } catch (error) {
    throw remoteProblem(error, path);
  }
}

interface Edited {
  readonly path: string;
  readonly typed: string;
  readonly copy: string;
  readonly fetched: Fetched;
  readonly edited: Uint8Array;
  readonly url: string;
}

async function store(client: Client, { path, typed, copy, fetched, edited, url }: Edited): Promise<void> {
  const { etag } = fetched;
  try {
    await client.files.write(path, edited, {
      ...(etag === undefined ? { ifAbsent: true } : { ifMatch: etag }),
      onReconnect: transferView(false).reconnecting,
    });
  } catch (error) {
    const isChanged = error instanceof FileChangedError;
    const isMade = etag === undefined && error instanceof ClientError && error.code === "already_exists";
    const why = isChanged
      ? `${typed} has changed on the agent since you opened it`
      : isMade
        ? `${typed} was made on the agent since you opened it`
        : await explainFailure(remoteProblem(error, path), url);
    throw notStored(why, copy, typed);
  }
}

function notStored(why: string, copy: string, typed: string): FileProblem {
  return new FileProblem(
    `${why}; your version is kept in ${copy}, and nothing is stored (holdfast cp ${copy} ${typed} stores it)`,
  );
}
