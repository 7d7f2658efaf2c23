// Calls with one answer, repeated until it comes.

import { AbortScope, untilAbort } from "./abort.ts";
import { Backoff } from "./backoff.ts";
import type { AgentLink, Rpc } from "./connection.ts";
import { ClientError } from "./errors.ts";
import { type Failure, toFailure } from "./failures.ts";
import { pause } from "./pause.ts";

/** As Connect's calls take it. */
export interface RpcOptions {
  readonly signal: AbortSignal;
  readonly headers: Readonly<Record<string, string>>;
  /** None: a transport's own default would end streams, and of a Start the process. */
  readonly timeoutMs: 0;
}

export interface Call<Answer> {
  /** Makes one try. */
  send(rpc: Rpc, options: RpcOptions): Promise<Answer>;
  readonly signals: readonly (AbortSignal | undefined)[];
  readonly patienceMs: number;
  /** Whether it may be sent again after this failure. Default: always. */
  mayRepeat?(failure: Failure): boolean;
  /** Whether this failure is only the agent's word that the answer will take longer. Default: never. */
  mustWait?(failure: Failure): boolean;
  /** Before a try is repeated. */
  onRepeat?(): void;
}

/** Rejects with a signal's reason when it aborts, and with a ClientError for all else. */
export async function call<Answer>(link: AgentLink, request: Call<Answer>): Promise<Answer> {
  const scope = new AbortScope(link.closed, ...request.signals);
  const backoff = new Backoff(link.settings, request.patienceMs);
  try {
    scope.signal.throwIfAborted();
    for (;;) {
      const failure = await tryOnce(link, request, scope.signal);
      if ("answer" in failure) return failure.answer;
      scope.signal.throwIfAborted();
      await pause(link.settings.clock, delayMs(link, request, backoff, failure), scope.signal);
      request.onRepeat?.();
    }
  } finally {
    scope.release();
  }
}

/** How long to wait for the next try. Throws the failure's error when there shall be none. */
function delayMs<Answer>(link: AgentLink, request: Call<Answer>, backoff: Backoff, failure: Failure): number {
  if (request.mustWait?.(failure) === true) {
    backoff.succeeded();
    return link.settings.initialDelayMs;
  }
  const next = request.mayRepeat?.(failure) === false ? undefined : backoff.afterFailure(failure.verdict);
  if (next === undefined) throw failure.error;
  return next.delayMs;
}

/** May take as long as a stream may be silent. */
async function tryOnce<Answer>(
  link: AgentLink,
  request: Call<Answer>,
  signal: AbortSignal,
): Promise<{ readonly answer: Answer } | Failure> {
  const { clock, headers, keepaliveSeconds } = link.settings;
  const tryMs = 2000 * keepaliveSeconds;
  const { rpc } = link;
  const scope = new AbortScope(signal);
  const timer = clock.startTimer(tryMs, () => {
    link.abandon(rpc);
    scope.abort(new ClientError("unavailable", `the agent did not answer for ${tryMs} ms`));
  });
  try {
    // The transport may be slow to notice the signal, or broken.
    const answer = request.send(rpc, { signal: scope.signal, headers, timeoutMs: 0 });
    return { answer: await untilAbort(answer, scope.signal) };
  } catch (error) {
    return toFailure(error);
  } finally {
    timer.cancel();
    scope.release();
  }
}
