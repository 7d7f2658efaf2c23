// How many requests are being answered, so that a server that stops can wait for the last one.

import { startTimer } from "../clock.ts";
import type { RequestListener } from "./exchange.ts";

export class RequestCount {
  #count = 0;
  #onNone: (() => void) | undefined;

  /** A request counts until its response closes. */
  watch(listener: RequestListener): RequestListener {
    return (request, response) => {
      this.#count++;
      response.once("close", () => {
        if (--this.#count === 0) this.#onNone?.();
      });
      listener(request, response);
    };
  }

  /** Resolves when there is none, or after `patienceMs`. */
  none(patienceMs: number): Promise<void> {
    if (this.#count === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = startTimer(patienceMs, resolve);
      this.#onNone = () => {
        timer.cancel();
        resolve();
      };
    });
  }
}
