// Shared by downloads and uploads: requests to the file endpoints, the detection of silence, and
// the waits between tries.

import { AbortScope, onAbort, untilAbort } from "../abort.ts";
import { ClientError, ReconnectError } from "../client-errors.ts";
import { startHeaders } from "../messages.ts";
import { Backoff } from "../retry/backoff.ts";
import { type Failure, toFailure } from "../retry/failures.ts";
import { waitToRetry } from "../retry/retried-call.ts";
import type { AgentLink } from "../transport/connection.ts";
import type { HttpAnswer, HttpRequest } from "../transport/http-client.ts";
import { assertText } from "../transport/sendable.ts";
import { answerFailure } from "./file-errors.ts";
import { assertPiece } from "./pieces.ts";
import type { FileCallOptions, TransferOptions, TransferReconnect } from "./types.ts";

export interface FileRequest extends Omit<HttpRequest, "signal" | "headers"> {
  readonly headers?: Readonly<Record<string, string>>;
  /** The length of the body, if it is known. */
  readonly length?: number;
}

/** Thrown for a failure whose verdict is known. */
export class FailedTransfer extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.error.message);
    this.failure = failure;
  }
}

/** For an error with any code that a retry would make worse. */
export function finalFailure(error: ClientError): FailedTransfer {
  return new FailedTransfer({ verdict: "final", error });
}

/** One request and its answer. `close` it in any case; a second call does nothing. */
export class Exchange {
  readonly #link: AgentLink;
  readonly #rpc;
  readonly #scope: AbortScope;
  readonly #user: string | undefined;
  readonly #unfollow: () => void;
  /** A sign of life of the body that is sent. */
  #onSent = () => {
    // Nobody waits.
  };
  /** The caller's own source has nothing to send now. */
  #isSourceSlow = false;
  /** The error of the caller's own source. */
  #sourceError: { readonly error: unknown } | undefined;

  constructor(link: AgentLink, { signal, user }: FileCallOptions) {
    this.#link = link;
    this.#rpc = link.rpc;
    this.#scope = new AbortScope(link.closed, signal);
    this.#unfollow = link.onReconnect(() => this.#scope.abort(new ReconnectError()));
    // As in message-stream.ts: the caller's signal may end it without a close.
    onAbort(this.#scope.signal, this.#unfollow);
    this.#user = user ?? link.settings.user;
  }

  /** reconnectNow does not end it any more, because it cannot be repeated. */
  keep(): void {
    this.#unfollow();
  }

  /** Resolves with the head of an answer, of any status. */
  async send({ length, ...request }: FileRequest): Promise<HttpAnswer> {
    const { http, settings } = this.#link;
    const { signal } = this.#scope;
    signal.throwIfAborted();
    const headers = {
      ...settings.headers,
      ...startHeaders(this.#user, undefined),
      ...request.headers,
      ...(length === undefined ? {} : { "Content-Length": String(length) }),
    };
    const silence = this.#watchSilence();
    const { body: given } = request;
    const body = given === undefined || given instanceof Uint8Array ? given : this.#watched(given);
    try {
      return await untilAbort(http.send({ ...request, headers, body, signal }), signal);
    } catch (error) {
      throw this.#causeOf(error);
    } finally {
      silence.cancel();
    }
  }

  /** The content of the answer. Silence counts only while the caller waits. */
  async *read({ body }: HttpAnswer): AsyncGenerator<Uint8Array, void, void> {
    const pieces = body[Symbol.asyncIterator]();
    for (;;) {
      const silence = this.#watchSilence();
      let next: IteratorResult<Uint8Array>;
      try {
        next = await untilAbort(pieces.next(), this.#scope.signal);
      } catch (error) {
        throw this.#causeOf(error);
      } finally {
        silence.cancel();
      }
      if (next.done === true) return;
      yield next.value;
    }
  }

  /** Throws the failure that an answer with an error status means. */
  async refuse(answer: HttpAnswer, path: string): Promise<never> {
    throw new FailedTransfer(await answerFailure({ ...answer, body: this.read(answer) }, path));
  }

  /** Ends the request if it still runs. */
  close(): void {
    this.#scope.abort(new ClientError("canceled", "the transfer was closed"));
  }

  async *#watched(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
    this.#isSourceSlow = true;
    try {
      for await (const piece of body) {
        assertPiece(piece);
        this.#isSourceSlow = false;
        this.#onSent();
        yield piece;
        this.#isSourceSlow = true;
      }
    } catch (error) {
      this.#sourceError = { error };
      throw error;
    } finally {
      this.#isSourceSlow = false;
      this.#onSent();
    }
  }

  /** A source that fails ends the connection, so the connection's error follows from the source's. */
  #causeOf(error: unknown): unknown {
    return this.#sourceError === undefined ? error : this.#sourceError.error;
  }

  /** Two intervals, one after the other, as in message-stream.ts: this program itself may have been busy for the first. */
  #watchSilence(): { cancel: () => void } {
    const { clock, keepaliveSeconds } = this.#link.settings;
    const stepMs = 1000 * keepaliveSeconds;
    const onSilence = () => {
      if (this.#isSourceSlow) {
        timer = begin();
        return;
      }
      this.#link.abandon(this.#rpc);
      this.#scope.abort(new ClientError("unavailable", `the agent was silent for ${2 * stepMs} ms`));
    };
    const begin = () =>
      clock.startTimer(stepMs, () => {
        timer = clock.startTimer(stepMs, onSilence);
      });
    let timer = begin();
    this.#onSent = () => {
      timer.cancel();
      timer = begin();
    };
    return {
      cancel: () => {
        this.#onSent = () => undefined;
        timer.cancel();
      },
    };
  }
}

/** The tries of one transfer. */
export class Tries {
  readonly #link: AgentLink;
  readonly #signal: AbortSignal | undefined;
  readonly #onReconnect: ((reconnect: TransferReconnect) => void) | undefined;
  #backoff: Backoff;
  #hasBegun = false;

  constructor(link: AgentLink, { signal, onReconnect }: Pick<TransferOptions, "signal" | "onReconnect">) {
    this.#link = link;
    this.#signal = signal;
    this.#onReconnect = onReconnect;
    this.#backoff = new Backoff(link.settings, link.settings.callRetryMs);
  }

  /** The last try brought something. From the first time on, the client's `giveUpAfterMs` counts. */
  succeeded(): void {
    if (!this.#hasBegun) this.#backoff = new Backoff(this.#link.settings, this.#link.settings.giveUpAfterMs);
    this.#hasBegun = true;
    this.#backoff.succeeded();
  }

  /** Waits until the next try. Throws the error of `thrown` when there is none. */
  async afterFailure(thrown: unknown): Promise<void> {
    const failure = thrown instanceof FailedTransfer ? thrown.failure : toFailure(thrown);
    this.#link.closed.throwIfAborted();
    this.#signal?.throwIfAborted();
    // Before anything has begun it is the answer, unless the agent asks for a retry.
    const isRefusal =
      !this.#hasBegun && failure.error.code === "resource_exhausted" && failure.retryAfterMs === undefined;
    if (failure.error instanceof ReconnectError) this.#backoff.restart();
    const next = this.#backoff.afterFailure(isRefusal ? "final" : failure.verdict, failure);
    if (next === undefined) throw failure.error;
    this.#onReconnect?.({ ...next, reason: failure.error });
    const scope = new AbortScope(this.#link.closed, this.#signal);
    try {
      await waitToRetry(this.#link, next.delayMs, this.#backoff, scope.signal);
    } finally {
      scope.release();
    }
  }
}

/** Opens an answer: `open` sends the request and checks the answer. Rejects when the last try has failed. */
export async function openInTries<T>(
  link: AgentLink,
  call: FileCallOptions,
  tries: Tries,
  open: (exchange: Exchange) => Promise<T>,
): Promise<T> {
  for (;;) {
    const exchange = new Exchange(link, call);
    try {
      return await open(exchange);
    } catch (error) {
      exchange.close();
      await tries.afterFailure(error);
    }
  }
}

/** `/files` with its query. */
export function filesPath(query: Readonly<Record<string, string | readonly string[] | undefined>>): string {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    (typeof value === "string" ? [value] : (value ?? [])).map((text) => {
      assertText(name, text);
      return `${name}=${encodeURIComponent(text)}`;
    }),
  );
  return `/files?${pairs.join("&")}`;
}
