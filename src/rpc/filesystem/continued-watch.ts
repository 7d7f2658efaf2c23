// Continues a WatchDir stream that another image of the agent began, to its end. The connection is then free for the next
// request.

import type { Watchers } from "../../filesystem/index.ts";
import { type BusyConnection, type Grant, keepEarly } from "../../http/index.ts";
import type { Logger } from "../../logger.ts";
import { toConnectError } from "../error-mapping.ts";
import { endResponse, limitError, limitTime, limitToToken } from "../output/carried-response.ts";
import { createChunkedSink } from "../output/frame-sink.ts";
import type { ServingState } from "../serving-state.ts";
import { Position, WatchStream } from "./watch-stream.ts";
import type { WatchStreamState, WatchStreams } from "./watch-streams.ts";

export interface ContinuedWatchSettings {
  readonly watchers: Watchers;
  readonly serving: ServingState;
  readonly watchStreams: WatchStreams;
  readonly logger: Logger;
}

/** Becomes a reader of its watch at once. Returns the function that begins to send. Throws `not_found`. */
export function continueWatch(
  state: WatchStreamState,
  connection: BusyConnection,
  grant: Grant | undefined,
  { watchers, serving, watchStreams, logger }: ContinuedWatchSettings,
): () => Promise<void> {
  const { fd: _, early: before, isLastAnswer: __, next, unsent, ...terms } = state;
  const { socket } = connection;
  const { watcherId, isResumable, protocol } = terms;
  const watcher = watchers.find(watcherId);
  const stopReading = watchers.read(watcherId, { endsWithReader: !isResumable });
  const gone = new AbortController();
  const leave = () => gone.abort();
  const limit = limitTime(state.dueAtMs, leave);
  const stream = new WatchStream(Position.continue(watcher, next), terms, serving, gone.signal);
  const early = keepEarly(socket, before);
  const remove = watchStreams.add(stream, { terms, socket, early });
  // A client whose side ends is gone: it cannot send the next request before this response ends.
  socket.once("end", leave).once("close", leave);
  return async () => {
    const ended = stream.run(createChunkedSink(socket), unsent).catch((error: unknown) => error);
    // Not before: the rest of a message that the image before began is sent in any case.
    const token = limitToToken(grant, socket, leave);
    const reason = await ended;
    limit.timer?.cancel();
    remove();
    stopReading();
    const limited = limitError(limit, token);
    if (socket.destroyed || (gone.signal.aborted && limited === undefined)) return void socket.destroy();
    const failure = limited ?? toConnectError(reason, logger);
    socket.off("end", leave).off("close", leave);
    endResponse(connection, protocol, failure, early, token.stop);
  };
}
