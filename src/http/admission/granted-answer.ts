// Ends an open answer when its token ends.

import { startTimer } from "../../clock.ts";
import type { NodeResponse } from "../exchange.ts";
import type { Grant } from "./grant.ts";

/** How long the answer may take to end by itself, with an error that says why. */
const LAST_WORDS_MS = 500;

export function endWithGrant(grant: Grant, response: NodeResponse): void {
  const unfollow = grant.onEnd(() => {
    const timer = startTimer(LAST_WORDS_MS, () => response.destroy());
    response.once("close", () => timer.cancel());
  });
  response.once("close", unfollow);
}
