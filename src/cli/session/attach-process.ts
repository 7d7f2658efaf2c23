// What `holdfast attach` does.

import { findProcess } from "../connect/find-process.ts";
import { patience, withClient } from "../connect/with-client.ts";
import { exitCodes } from "../exit-codes.ts";
import type { AttachFlags } from "./attach.ts";
import { runSession } from "./session.ts";

/** Resolves with the exit code. */
export async function attachProcess(selector: string, flags: AttachFlags): Promise<number> {
  const { url, urlFlag, giveUpAfter, json = false, stdin, detachKeys, from } = flags;
  const reconnect = patience(giveUpAfter);
  return withClient({ url, reconnect, failureCode: () => exitCodes.ownFailure }, async (client) => {
    const { processId } = await findProcess(url, selector);
    const place = from === undefined ? {} : { fromOffset: from };
    return runSession((options) => client.attach(processId, { ...options, ...place }), {
      urlFlag,
      json,
      detachKeys,
      input: stdin,
      isOurs: false,
    });
  });
}
