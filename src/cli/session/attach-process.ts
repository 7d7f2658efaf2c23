// What `holdfast attach` does.

import { findProcess, reconnectFor, withClient } from "../connect/with-client.ts";
import { exitCodes } from "../exit-codes.ts";
import type { SessionFlags } from "../options/session-flags.ts";
import { runSession } from "./session.ts";

/** As commander names the values of the flags. */
export interface AttachFlags extends SessionFlags {
  readonly from?: number;
}

/** Resolves with the exit code. */
export async function attachProcess(selector: string, flags: AttachFlags): Promise<number> {
  const { url, giveUpAfter, json = false, stdin, detachKeys, from } = flags;
  const reconnect = reconnectFor(giveUpAfter);
  return withClient({ url, reconnect, failureCode: () => exitCodes.ownFailure }, async (client) => {
    const { processId } = await findProcess(selector);
    const place = from === undefined ? {} : { fromOffset: from };
    return runSession((options) => client.attach(processId, { ...options, ...place }), {
      json,
      detachKeys,
      input: stdin,
      endsWithUs: false,
    });
  });
}
