// Calls with one answer, repeated until it arrives.

import { AbortScope, untilAbort } from "../abort.ts";
import { ClientError, ReconnectError } from "../client-errors.ts";
import type { AgentLink } from "../transport/connection.ts";
import type { Rpc, RpcOptions } from "../transport/rpc.ts";
import { Backoff } from "./backoff.ts";
import { type Failure, toFailure } from "./failures.ts";
import { type FollowWake, pause } from "./pause.ts";

export interface RetriedCall<Answer> {
  /** Makes one try. */
  send(rpc: Rpc, options: RpcOptions): Promise<Answer>;
  readonly signals: readonly (AbortSignal | undefined)[];
  readonly patienceMs: number;
  /** Whether to try again after this failure. Default: always. */
  mayRepeat?(failure: Failure): boolean;
  /** Whether this failure only says that the answer takes longer. Default: never. */
  mustWait?(failure: Failure): boolean;
  /** Called before a try is repeated. */
  onRepeat?(): void;
}

/** Rejects with a signal's reason when it aborts, and with a ClientError for everything else. */
export async function callWithRetries<Answer>(
  link: AgentLink,
  request: RetriedCall<Answer>,
): Promise<Answer> {
  const scope = new AbortScope(link.closed, ...request.signals);
  const backoff = new Backoff(link.settings, request.patienceMs);
  try {
    scope.signal.throwIfAborted();
    for (;;) {
      const failure = await tryOnce(link, request, scope.signal);
      if ("answer" in failure) return failure.answer;
      scope.signal.throwIfAborted();
      if (failure.error instanceof ReconnectError) backoff.restart();
      await waitToRetry(link, delayMs(link, request, backoff, failure), backoff, scope.signal);
      request.onRepeat?.();
    }
  } finally {
    scope.release();
  }
}

/** Waits for `delayMs`, or until `followWake` or reconnectNow ends the wait. */
export async function waitToRetry(
  link: AgentLink,
  delayMs: number,
  backoff: Backoff,
  signal: AbortSignal,
  followWake?: FollowWake,
): Promise<void> {
  await pause(link.settings.clock, delayMs, signal, (wake) => {
    const unfollow = followWake?.(wake);
    const unfollowReconnect = link.onReconnect(() => {
      backoff.restart();
      wake();
    });
    return () => {
      unfollowReconnect();
      unfollow?.();
    };
  });
}

/** The wait before the next try. Throws the failure's error when there is none. */
function delayMs<Answer>(
  link: AgentLink,
  request: RetriedCall<Answer>,
  backoff: Backoff,
  failure: Failure,
): number {
  if (request.mustWait?.(failure) === true) {
    backoff.succeeded();
    return link.settings.initialDelayMs;
  }
  const next =
    request.mayRepeat?.(failure) === false ? undefined : backoff.afterFailure(failure.verdict, failure);
  if (next === undefined) throw failure.error;
  return next.delayMs;
}

/** A try may take as long as a stream may be silent. */
async function tryOnce<Answer>(
  link: AgentLink,
  request: RetriedCall<Answer>,
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
  // A call that must not be repeated may have reached the agent: its answer is worth the wait.
  const unfollow =
    request.mayRepeat === undefined ? link.onReconnect(() => scope.abort(new ReconnectError())) : undefined;
  try {
    // The transport may ignore the signal, or react late.
    const answer = request.send(rpc, { signal: scope.signal, headers, timeoutMs: 0 });
    return { answer: await untilAbort(answer, scope.signal) };
  } catch (error) {
    return toFailure(error);
  } finally {
    unfollow?.();
    timer.cancel();
    scope.release();
  }
}
