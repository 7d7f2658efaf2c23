// Runs `holdfast attach`.

import { findOnly, findProcess, reconnectFor, withClient } from "../connect/with-client.ts";
import { exitCodes } from "../exit-codes.ts";
import type { SessionFlags } from "../options/session-flags.ts";
import { runSession } from "./session.ts";

/** As commander names the values of the flags. */
export interface AttachFlags extends SessionFlags {
  readonly interactive?: boolean;
  readonly from?: number;
}

/** Resolves with the exit code. */
export async function attachProcess(selector: string | undefined, flags: AttachFlags): Promise<number> {
  const { url, giveUpAfter, json = false, stdin, detachKeys, signals, from } = flags;
  const input = flags.interactive === true ? "asked" : "possible";
  const reconnect = reconnectFor(giveUpAfter);
  return withClient({ url, reconnect, failureCode: () => exitCodes.ownFailure }, async (client) => {
    const { processId } = await (selector === undefined ? findOnly() : findProcess(selector));
    const place = from === undefined ? {} : { fromOffset: from };
    return runSession((options) => client.attach(processId, { ...options, ...place }), {
      json,
      detachKeys,
      signals,
      input: stdin ? input : "none",
      endsWithUs: false,
    });
  });
}
