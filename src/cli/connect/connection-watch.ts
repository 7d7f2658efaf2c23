// Reports a lost connection once and its return once, after any number of tries. Gives up at once
// if there never was a connection and the address seems wrong.

import type { ClientError, ConnectionState, ProcessOptions } from "../../client/index.ts";
import { markAgentReached, urlOfChosenAgent } from "./chosen-agent.ts";
import { describeEnd, describeLoss, isWrongAddress } from "./client-failure.ts";
import { mayBeTls, speaksTls } from "./tls-probe.ts";

export interface ConnectionListener {
  /** `wasUp`: false while there has not been a connection yet. */
  lost(reason: string, wasUp: boolean): void;
  back(offset: number, wasUp: boolean): void;
  /** A later try found that no agent is there any more. Called once for each loss, after `lost`. */
  gone?(reason: string): void;
  /** Each try that failed: the next one begins in `delayMs`. Called after `lost`. */
  retrying?(delayMs: number): void;
  /** The agent said that it ends, and why. */
  stopping?(reason: string, graceMs: number): void;
}

export class ConnectionWatch {
  readonly #listener: ConnectionListener;
  readonly #abort = new AbortController();
  #wasUp = false;
  #isDown = false;
  /** `gone` was called for this loss. */
  #isGone = false;
  #isStopping = false;

  constructor(listener: ConnectionListener) {
    this.#listener = listener;
  }

  /** Lost and not restored yet. */
  get isDown(): boolean {
    return this.#isDown;
  }

  /** The agent has said that it ends. */
  get isStopping(): boolean {
    return this.#isStopping;
  }

  /** Options for the one start or attach that this object watches. */
  get options(): ProcessOptions {
    return { signal: this.#abort.signal, onState: (state) => this.#onState(state) };
  }

  #onState(state: ConnectionState): void {
    if (state.kind === "connected") {
      if (this.#isDown) this.#listener.back(state.offset, this.#wasUp);
      this.#isDown = false;
      this.#isGone = false;
      this.#wasUp = true;
      markAgentReached();
    } else if (state.kind === "reconnecting") {
      // No agent has ever answered at this address, so the address is probably wrong.
      if (!this.#wasUp && isWrongAddress(state.reason)) this.#abort.abort(state.reason);
      else if (!this.#isDown) {
        this.#listener.lost(describeLoss(state.reason), this.#wasUp);
        if (!this.#wasUp) void this.#checkScheme(state.reason);
      }
      this.#isDown = true;
      if (this.#wasUp) this.#reportEnd(state.reason);
      this.#listener.retrying?.(state.delayMs);
    } else if (state.kind === "stopping") {
      this.#isStopping = true;
      this.#listener.stopping?.(state.reason, state.graceMs);
    }
  }

  #reportEnd(error: ClientError): void {
    const reason = describeEnd(error);
    if (reason === undefined || this.#isGone) return;
    this.#isGone = true;
    this.#listener.gone?.(reason);
  }

  /** A port for TLS closes the connection of a client of plain HTTP, and would do so forever. */
  async #checkScheme(reason: ClientError): Promise<void> {
    const url = urlOfChosenAgent();
    if (mayBeTls(reason, url) && (await speaksTls(url)) && !this.#wasUp) this.#abort.abort(reason);
  }
}
