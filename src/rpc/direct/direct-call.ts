// One call that is answered without the library: its interface for the handler, and its end.

import { Code, ConnectError } from "@connectrpc/connect";
import { MAX_TIMEOUT_MS, startTimer, type Timer } from "../../clock.ts";
import {
  type Grant,
  grantOf,
  type HeaderReader,
  headerReader,
  type NodeRequest,
  type NodeResponse,
} from "../../http/index.ts";
import { lastingNowMs } from "../../lasting-time.ts";
import type { RequestShare } from "../memory/request-memory.ts";
import type { Codec } from "../output/event-frames.ts";
import type { CallContext, RpcContext } from "../protocol/call-context.ts";
import type { CommonForm } from "./common-form.ts";
import type { DirectMethod } from "./direct-method.ts";

/** It is its own call context: an idle stream keeps one object for both. */
export class DirectCall implements RpcContext, CallContext {
  readonly request: NodeRequest;
  readonly response: NodeResponse;
  readonly form: CommonForm;
  readonly direct: DirectMethod;
  readonly share: RequestShare;
  readonly grant: Grant;
  readonly requestHeader: HeaderReader;
  readonly protocolName = "connect";
  readonly dueAtMs: number | undefined;
  readonly #answerHeaders: Record<string, string> = {};
  #controller: AbortController | undefined;
  #abortReason: ConnectError | undefined;
  #limit: Timer | undefined;
  readonly #unfollow: () => void;
  #hasEnded = false;

  constructor(
    request: NodeRequest,
    response: NodeResponse,
    direct: DirectMethod,
    form: CommonForm,
    share: RequestShare,
  ) {
    this.request = request;
    this.response = response;
    this.direct = direct;
    this.form = form;
    this.share = share;
    this.requestHeader = headerReader(request);
    this.grant = grantOf(request);
    this.#unfollow = this.grant.onEnd((reason) =>
      this.#abort(new ConnectError(reason, Code.Unauthenticated)),
    );
    response.once("close", () => this.#onClose());
    const { timeoutMs } = form;
    if (this.#boundsProcess || timeoutMs === undefined || timeoutMs > MAX_TIMEOUT_MS) return;
    this.dueAtMs = lastingNowMs() + timeoutMs;
    this.#limit = startTimer(timeoutMs, () =>
      this.#abort(new ConnectError("the operation timed out", Code.DeadlineExceeded)),
    );
  }

  get method(): DirectMethod["method"] {
    return this.direct.method;
  }

  get codec(): Codec {
    return this.form.codec;
  }

  get timeoutMs(): number | undefined {
    return this.#boundsProcess ? this.form.timeoutMs : undefined;
  }

  readonly releaseRequest = (): void => this.share.release();

  /** No method that is answered directly has a message in parts. */
  readonly answerWith = (): never => {
    throw new Error(`${this.direct.path} has no answer in parts`);
  };

  get values(): RpcContext["values"] {
    // The call context is the only value that handlers look up.
    return { get: () => this as never };
  }

  /** Created when it is first asked for: many handlers do not need it. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#abortReason !== undefined) this.#controller.abort(this.#abortReason);
    }
    return this.#controller.signal;
  }

  get responseHeader(): { set(name: string, value: string): void } {
    return {
      set: (name, value) => {
        this.#answerHeaders[name.toLowerCase()] = value;
      },
    };
  }

  /** The trailers or headers that the handler has set. */
  get answerHeaders(): Readonly<Record<string, string>> {
    return this.#answerHeaders;
  }

  /** Nothing may be done for it any more. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** The call is answered, the library takes it over, or the client is gone: nothing of it is held any more. */
  finish(): void {
    this.#hasEnded = true;
    this.#limit?.cancel();
    this.#unfollow();
    this.share.close();
  }

  get #boundsProcess(): boolean {
    return this.direct.method.name === "Start";
  }

  #onClose(): void {
    this.finish();
    if (!this.response.writableEnded) this.#abort(new ConnectError("the client is gone", Code.Canceled));
  }

  #abort(reason: ConnectError): void {
    if (this.#abortReason !== undefined) return;
    this.#abortReason = reason;
    this.#controller?.abort(reason);
  }
}
