// Everything that answers RPCs, composed into one listener: the services, their protocols, and the
// limits of calls. Loading this module loads Connect and the messages; rpc-answer.ts does that late.

import type { FileAccess, Watchers } from "../filesystem/index.ts";
import type { BusyConnection, Grant, RequestListener } from "../http/index.ts";
import type { Logger } from "../logger.ts";
import type { AgentDefaults, Process, ProcessTable } from "../process/index.ts";
import type { ClientActivity } from "./client-activity.ts";
import { continueWatch } from "./filesystem/continued-watch.ts";
import { type WatchStreamState, WatchStreams } from "./filesystem/watch-streams.ts";
import type { RequestLimit } from "./memory/request-limit.ts";
import { RequestMemory } from "./memory/request-memory.ts";
import { continueStream } from "./output/continued-stream.ts";
import { FramesInFlight } from "./output/frames-in-flight.ts";
import { OutputStreams } from "./output/output-streams.ts";
import { ProgressWatch } from "./output/progress-watch.ts";
import type { StreamState } from "./output/stream-state.ts";
import { createRpcListener } from "./protocol/adapter.ts";
import { DEFAULT_RPC_LIMITS, type RpcLimits } from "./rpc-limits.ts";
import { directPaths, reflection, requestKindOf, serviceRoutes } from "./services.ts";
import type { ServingState } from "./serving-state.ts";
import { limitStreams, StreamCount } from "./stream-limit.ts";

export interface RpcAnswerOptions {
  readonly table: ProcessTable;
  readonly files: FileAccess;
  readonly watchers: Watchers;
  readonly defaults: AgentDefaults;
  readonly activity: ClientActivity;
  /** Once it stops, streams end and new ones are refused. */
  readonly serving: ServingState;
  readonly limits?: Partial<RpcLimits>;
  /** The agent's, for clients that ask for it. */
  readonly version?: string;
  /** How many connections clients have. */
  readonly connections?: () => number;
  readonly logger: Logger;
  readonly requestLimit: RequestLimit;
  /** The streams of output that are open now. */
  readonly streams?: OutputStreams;
  /** The streams of WatchDir that are open now. */
  readonly watchStreams?: WatchStreams;
  /** Answers every request that is not an RPC. */
  readonly fallback: RequestListener;
}

export interface LoadedRpcs {
  readonly listener: RequestListener;
  /** Creates everything now that the first request would create. */
  prepare(): void;
  /**
   * Attaches a stream that another image of the agent began. Returns the function that begins to send. `grant`: of its
   * client; undefined if that token is gone.
   */
  continueStream(
    state: StreamState,
    process: Process,
    connection: BusyConnection,
    grant: Grant | undefined,
  ): () => Promise<void>;
  /** The same for a stream of WatchDir. Throws `not_found`. */
  continueWatch(
    state: WatchStreamState,
    connection: BusyConnection,
    grant: Grant | undefined,
  ): () => Promise<void>;
}

export function createLoadedRpcs({
  logger,
  fallback,
  version = "",
  streams = new OutputStreams(),
  watchStreams = new WatchStreams(),
  connections = () => 0,
  requestLimit,
  ...options
}: RpcAnswerOptions): LoadedRpcs {
  const limits = { ...DEFAULT_RPC_LIMITS, ...options.limits };
  const { table, files, watchers, defaults, activity, serving } = options;
  const { maxStreamsPerProcess, maxMessageBytes, requestMs, keepaliveMs } = limits;
  const memory = new RequestMemory(table.memoryBudget, limits.requestMemoryBytes);
  activity.observeRequests(memory);
  const count = new StreamCount();
  const progressWatch = new ProgressWatch(table.stallMs);
  const framesInFlight = new FramesInFlight(table.memoryBudget);
  // Late, because it takes longer than all else here: an image that continues streams sends their output first.
  let made: RequestListener | undefined;
  const make = () => {
    made ??= createListener();
    return made;
  };
  const createListener = () =>
    createRpcListener({
      routes: serviceRoutes({
        ...{ table, files, watchers, defaults, logger, activity, serving, version, connections },
        ...{ maxStreamsPerProcess, keepaliveMs, progressWatch, framesInFlight, streams, watchStreams },
        reserve: (bytes) => table.memoryBudget.reserve(bytes),
      }),
      lateRoutes: reflection,
      directPaths,
      logger,
      maxMessageBytes,
      requestMs,
      memory,
      fallback,
    });
  const limited = requestLimit.watch(requestKindOf, (request, response) => make()(request, response));
  /** Counts a stream until its connection is released or closed. */
  const counted = ({ socket, written, release }: BusyConnection): BusyConnection => {
    count.add();
    const uncount = requestLimit.addStream();
    const endOnce = () => {
      socket.off("close", endOnce);
      count.remove();
      uncount();
    };
    socket.once("close", endOnce);
    return {
      socket,
      written,
      release: () => {
        endOnce();
        release();
      },
    };
  };
  return {
    prepare: make,
    listener: limitStreams(limits.maxStreams, count, streams, serving, activity, limited),
    continueStream: (state, process, connection, grant) =>
      continueStream(state, process, counted(connection), grant, {
        ...{ table, activity, serving, progressWatch, framesInFlight, streams, logger },
      }),
    continueWatch: (state, connection, grant) => {
      const { socket, written, release } = counted(connection);
      const end = streams.addEndless();
      socket.once("close", end);
      const releaseAfterEnd = () => {
        end();
        release();
      };
      const busy = { socket, written, release: releaseAfterEnd };
      return continueWatch(state, busy, grant, { watchers, serving, watchStreams, logger });
    },
  };
}
