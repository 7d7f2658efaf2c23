// The RPCs of watches: WatchDir streams the events, the others create a watch, poll it and remove it.

import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Watcher, Watchers } from "../../filesystem/index.ts";
import type {
  CreateWatcherRequest,
  GetWatcherEventsRequest,
  GetWatcherEventsResponseSchema,
  WatchDirRequest,
  WatchDirResponseSchema,
} from "../../gen/filesystem_pb.ts";
import { createFrameSink } from "../output/frame-sink.ts";
import { carriableSocket } from "../output/output-streams.ts";
import { callContext, type RpcContext } from "../protocol/call-context.ts";
import { keepaliveMs } from "../request-headers.ts";
import type { ServingState } from "../serving-state.ts";
import { markLegacyClient } from "./entry-messages.ts";
import { type FileRequestSettings, fileRequest } from "./file-request.ts";
import { lostBefore, toEventOffset, watchMessages } from "./watch-messages.ts";
import { Position, WatchStream } from "./watch-stream.ts";
import type { WatchStreams } from "./watch-streams.ts";

export interface WatchCallSettings extends FileRequestSettings {
  readonly watchers: Watchers;
  readonly serving: ServingState;
  readonly watchStreams: WatchStreams;
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
  const { watchers, serving, watchStreams } = settings;
  const { values, signal, requestHeader, protocolName: protocol } = context;
  const { response, codec, grant, dueAtMs } = callContext(values);
  const isResumable = request.fromOffset !== undefined || request.watcherId !== "";
  const keepalive = keepaliveMs(requestHeader, settings.keepaliveMs);
  const watcher =
    request.watcherId === ""
      ? await createWatcher(settings, request, context)
      : watchers.find(request.watcherId);
  const stopReading = watchers.read(watcher.id, { endsWithReader: !isResumable });
  // The library may leave this generator where it is when a client disconnects early.
  signal.addEventListener("abort", stopReading);
  let remove: (() => void) | undefined;
  try {
    signal.throwIfAborted();
    const from = toEventOffset(request.watcherId === "" ? undefined : request.fromOffset, watcher.queue.next);
    const position = Position.begin(watcher, from);
    const isLegacy = markLegacyClient(context);
    const terms = { codec, isResumable, isLegacy, keepaliveMs: keepalive };
    const stream = new WatchStream(position, terms, serving, signal);
    remove = watchStreams.add(stream, {
      terms: { ...terms, watcherId: watcher.id, protocol, dueAtMs, grantKey: grant.key },
      socket: carriableSocket(response, grant),
    });
    yield startEvent(watcher, isResumable ? position.next : undefined);
    // The library asks for more once it has handed the start event to the response.
    await stream.run(createFrameSink(response));
  } finally {
    remove?.();
    signal.removeEventListener("abort", stopReading);
    stopReading();
  }
}

function startEvent({ id }: Watcher, offset: number | undefined): WatchDirEvent {
  const details = offset === undefined ? {} : { watcherId: id, offset: BigInt(offset) };
  return { event: { case: "start", value: details } };
}
