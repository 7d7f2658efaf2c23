// The RPCs of watches: WatchDir streams the events, the others create a watch, poll it and remove it.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { realClock, startTimer } from "../../clock.ts";
import { HoldfastError } from "../../errors.ts";
import type { NumberedEvent, Watcher, Watchers } from "../../filesystem/index.ts";
import type {
  CreateWatcherRequest,
  GetWatcherEventsRequest,
  GetWatcherEventsResponseSchema,
  WatchDirRequest,
  WatchDirResponseSchema,
} from "../../gen/filesystem_pb.ts";
import type { RpcContext } from "../call-context.ts";
import { keepaliveMs } from "../request-headers.ts";
import type { ServingState } from "../serving-state.ts";
import { type FileRequestSettings, fileRequest } from "./file-request.ts";
import { lostBefore, toEventOffset, watchMessages } from "./watch-messages.ts";

export interface WatchCallSettings extends FileRequestSettings {
  readonly watchers: Watchers;
  readonly serving: ServingState;
  readonly keepaliveMs: number;
}

type WatchDirEvent = MessageInitShape<typeof WatchDirResponseSchema>;

export async function createWatcher(
  settings: WatchCallSettings,
  request: CreateWatcherRequest | WatchDirRequest,
  context: RpcContext,
): Promise<Watcher> {
  const { files, resolve } = await fileRequest(settings, context);
  const { recursive, includeEntry, exclude } = request;
  const path = resolve(request.path);
  return settings.watchers.create(files, {
    ...{ path, recursive, includeEntry, exclude },
    allowNetwork: request.allowNetworkMounts,
  });
}

export async function getWatcherEvents(
  { watchers }: WatchCallSettings,
  { watcherId, fromOffset }: GetWatcherEventsRequest,
  context: RpcContext,
): Promise<MessageInitShape<typeof GetWatcherEventsResponseSchema>> {
  const watcher = watchers.find(watcherId);
  const stopReading = watchers.read(watcherId);
  try {
    await watcher.settled();
    const { queue } = watcher;
    const from = toEventOffset(fromOffset, queue.next);
    const { oldest } = queue;
    const held = queue.take(from);
    if (from === undefined) queue.forgetRead();
    const events = from !== undefined && from < oldest ? [lostBefore(oldest), ...held] : held;
    // Events that were queued before the failure are answered first.
    if (events.length === 0 && watcher.failure !== undefined) throw watcher.failure;
    return {
      events: events.map(watchMessages(context, from !== undefined)),
      ...(from === undefined ? {} : { nextOffset: BigInt(queue.next) }),
    };
  } finally {
    stopReading();
  }
}

export async function* watchDir(
  settings: WatchCallSettings,
  request: WatchDirRequest,
  context: RpcContext,
): AsyncIterable<WatchDirEvent> {
  const { watchers, serving } = settings;
  const isResumable = request.fromOffset !== undefined || request.watcherId !== "";
  const watcher =
    request.watcherId === ""
      ? await createWatcher(settings, request, context)
      : watchers.find(request.watcherId);
  const stopReading = watchers.read(watcher.id);
  const leave = () => {
    stopReading();
    if (!isResumable && !watcher.isClosed) watchers.remove(watcher.id);
  };
  // The library may leave this generator where it is when a client disconnects early.
  context.signal.addEventListener("abort", leave);
  try {
    context.signal.throwIfAborted();
    const from = toEventOffset(request.watcherId === "" ? undefined : request.fromOffset, watcher.queue.next);
    const position = new Position(watcher, from);
    yield startEvent(watcher, isResumable ? position.next : undefined);
    // Wakes the wait below; nothing is left behind when the call ends.
    void serving.stopped(context.signal).then(() => watcher.queue.wake());
    const toWire = watchMessages(context, isResumable);
    const intervalMs = keepaliveMs(context.requestHeader, settings.keepaliveMs);
    for await (const event of eventsOf(position, settings, intervalMs, context.signal))
      yield event === undefined
        ? { event: { case: "keepalive", value: {} } }
        : { event: { case: "filesystem", value: toWire(event) } };
  } finally {
    context.signal.removeEventListener("abort", leave);
    leave();
  }
}

/** Undefined stands for a keepalive. Ends by an error only: the signal ends the call. */
async function* eventsOf(
  position: Position,
  { serving }: WatchCallSettings,
  intervalMs: number,
  signal: AbortSignal,
): AsyncGenerator<NumberedEvent | undefined> {
  const { watcher } = position;
  let sentAtMs = realClock.nowMs();
  for (;;) {
    const event = position.take();
    if (event === undefined) {
      throwIfOver(watcher, serving, signal);
      const dueMs = sentAtMs + intervalMs - realClock.nowMs();
      if (dueMs > 0) {
        const timer = startTimer(dueMs, () => watcher.queue.wake());
        await watcher.queue.changed(signal);
        timer.cancel();
        continue;
      }
    }
    yield event;
    sentAtMs = realClock.nowMs();
  }
}

function throwIfOver({ failure, isClosed }: Watcher, serving: ServingState, signal: AbortSignal): void {
  signal.throwIfAborted();
  if (failure !== undefined) throw failure;
  if (isClosed) throw new HoldfastError("not_found", "the watch was removed");
  if (serving.isStopping) throw new HoldfastError("unavailable", "the agent is shutting down");
}

/** Where a stream is in the queue of its watch. */
class Position {
  readonly watcher: Watcher;
  #next: number;
  #lost: NumberedEvent | undefined;

  constructor(watcher: Watcher, from: number | undefined) {
    const { queue } = watcher;
    this.watcher = watcher;
    this.#next = Math.max(from ?? queue.read, queue.oldest);
    if (from !== undefined && from < queue.oldest) this.#lost = lostBefore(queue.oldest);
    if (from !== undefined) queue.forgetBefore(from);
  }

  /** The number of the event that `take` returns next. */
  get next(): number {
    return this.#lost?.offset ?? this.#next;
  }

  take(): NumberedEvent | undefined {
    const lost = this.#lost;
    this.#lost = undefined;
    if (lost !== undefined) return lost;
    const { queue } = this.watcher;
    const event = queue.at(this.#next);
    if (event === undefined) return undefined;
    this.#next = event.offset + 1;
    queue.markRead(event.offset);
    return event;
  }
}

function startEvent({ id }: Watcher, offset: number | undefined): WatchDirEvent {
  const details = offset === undefined ? {} : { watcherId: id, offset: BigInt(offset) };
  return { event: { case: "start", value: details } };
}
