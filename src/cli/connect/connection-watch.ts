// Tells of a connection that was lost and made again, once each however many tries it takes; and gives up at once where
// there never was one to lose.
import type { ConnectionState, ProcessOptions } from "../../client/index.ts";
import { describeLoss, isWrongAddress } from "./client-failure.ts";

export interface ConnectionListener {
  /** `wasUp`: false while there has not been a connection yet. */
  lost(reason: string, wasUp: boolean): void;
  back(offset: number, wasUp: boolean): void;
}

export class ConnectionWatch {
  readonly #listener: ConnectionListener;
  readonly #abort = new AbortController();
  #wasUp = false;
  #isDown = false;

  constructor(listener: ConnectionListener) {
    this.#listener = listener;
  }

  /** Lost, and not made again yet. */
  get isDown(): boolean {
    return this.#isDown;
  }

  /** For one start or attach, to be watched by this. */
  get options(): ProcessOptions {
    return { signal: this.#abort.signal, onState: (state) => this.#onState(state) };
  }

  #onState(state: ConnectionState): void {
    if (state.kind === "connected") {
      if (this.#isDown) this.#listener.back(state.offset, this.#wasUp);
      this.#isDown = false;
      this.#wasUp = true;
    } else if (state.kind === "reconnecting") {
      // No agent answers at the address, and none ever did: it is likely to be wrong.
      if (!this.#wasUp && isWrongAddress(state.reason)) this.#abort.abort(state.reason);
      else if (!this.#isDown) this.#listener.lost(describeLoss(state.reason), this.#wasUp);
      this.#isDown = true;
    }
  }
}
