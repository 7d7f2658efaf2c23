// Runs `holdfast cat`.

import { newClient, ONE_TRY, reconnectFor, withClient } from "../connect/with-client.ts";
import { downloadToStdout } from "../copy/download-file.ts";
import { transferView } from "../copy/transfer-view.ts";
import { exitCodes } from "../exit-codes.ts";
import type { UrlFlag } from "../options/agent-flags.ts";
import { printError } from "../stdio.ts";
import { FileProblem, ifFound } from "./file-problem.ts";
import { remotePlace } from "./remote-place.ts";

/** As commander names the values of the flags. */
export interface CatFlags extends UrlFlag {
  readonly user?: string;
  readonly giveUpAfter?: number;
}

/** Resolves with the exit code. A file that fails does not stop the others. */
export function printFiles(words: readonly string[], flags: CatFlags): Promise<number> {
  const { url, user, giveUpAfter } = flags;
  const reconnect = reconnectFor(giveUpAfter);
  return withClient({ url, reconnect, user, failureCode: () => exitCodes.failed }, async (client) => {
    const places = words.map(remotePlace);
    const [first] = places;
    if (first !== undefined) await reach(first.path, user);
    const { signal } = new AbortController();
    const view = { ...transferView(false), begin: () => undefined, stop: () => undefined };
    let code: number = exitCodes.done;
    for (const { path } of places) {
      try {
        await downloadToStdout({ client, view, signal }, path);
      } catch (error) {
        if (!(error instanceof FileProblem)) throw error;
        printError(error.message);
        code = exitCodes.failed;
      }
    }
    return code;
  });
}

/** With one try: a wrong address is an error at once. */
async function reach(path: string, user: string | undefined): Promise<void> {
  const client = newClient(ONE_TRY, user);
  try {
    await ifFound(path, () => client.files.stat(path)).catch((error: unknown) => {
      // A problem with the file is reported when it is read.
      if (!(error instanceof FileProblem)) throw error;
    });
  } finally {
    client.close();
  }
}
