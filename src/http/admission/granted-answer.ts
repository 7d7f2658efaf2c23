// Ends an open answer when its token ends.

import type { Writable } from "node:stream";
import { startTimer, type Timer } from "../../clock.ts";
import type { Grant } from "./grant.ts";

/** How long the answer may take to end by itself, with an error that says why. */
const LAST_WORDS_MS = 500;

/** `answer`: the response, or its connection. Returns the function that stops this; the close of the answer stops it also. */
export function endWithGrant(grant: Grant, answer: Writable): () => void {
  let timer: Timer | undefined;
  const unfollow = grant.onEnd(() => {
    timer = startTimer(LAST_WORDS_MS, () => answer.destroy());
  });
  const stop = () => {
    unfollow();
    timer?.cancel();
    answer.off("close", stop);
  };
  answer.once("close", stop);
  return stop;
}
