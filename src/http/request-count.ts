// How many requests are being answered, so that a server that stops can wait for the last one.

import { startTimer } from "../clock.ts";
import type { RequestListener } from "./exchange.ts";

export class RequestCount {
  #count = 0;
  #onNone: (() => void) | undefined;

  /** A request counts until its response closes. */
  watch(listener: RequestListener): RequestListener {
    return (request, response) => {
      response.once("close", this.begin());
      listener(request, response);
    };
  }

  get count(): number {
    return this.#count;
  }

  /** One that came from another image of the agent. Returns the function that ends it, once. */
  begin(): () => void {
    this.#count++;
    let isOpen = true;
    return () => {
      if (!isOpen) return;
      isOpen = false;
      if (--this.#count === 0) this.#onNone?.();
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
