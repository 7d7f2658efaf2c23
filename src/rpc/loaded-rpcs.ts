// Everything that answers RPCs, composed into one listener: the services, their protocols, and the
// limits of calls. Loading this module loads Connect and the messages; rpc-answer.ts does that late.

import type { FileAccess, Watchers } from "../filesystem/index.ts";
import type { RequestListener } from "../http/index.ts";
import type { Logger } from "../logger.ts";
import type { AgentDefaults, ProcessTable } from "../process/index.ts";
import { createRpcListener } from "./adapter.ts";
import type { ClientActivity } from "./client-activity.ts";
import type { RequestLimit } from "./request-limit.ts";
import { RequestMemory } from "./request-memory.ts";
import { DEFAULT_RPC_LIMITS, type RpcLimits } from "./rpc-limits.ts";
import { reflection, requestKindOf, serviceRoutes } from "./services.ts";
import type { ServingState } from "./serving-state.ts";
import { limitStreams } from "./stream-limit.ts";

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
  /** Answers every request that is not an RPC. */
  readonly fallback: RequestListener;
}

export function createLoadedRpcs({
  logger,
  fallback,
  version = "",
  connections = () => 0,
  ...options
}: RpcAnswerOptions): RequestListener {
  const limits = { ...DEFAULT_RPC_LIMITS, ...options.limits };
  const { table, files, watchers, defaults, activity, serving } = options;
  const { maxStreamsPerProcess, maxMessageBytes, requestMs, keepaliveMs } = limits;
  const memory = new RequestMemory(table.memoryBudget, limits.requestMemoryBytes);
  activity.observeRequests(memory);
  const listener = createRpcListener({
    routes: serviceRoutes({
      ...{ table, files, watchers, defaults, logger, activity, serving, version, connections },
      ...{ maxStreamsPerProcess, keepaliveMs },
    }),
    lateRoutes: reflection,
    logger,
    maxMessageBytes,
    requestMs,
    memory,
    fallback,
  });
  return limitStreams(
    limits.maxStreams,
    serving,
    activity,
    options.requestLimit.watch(requestKindOf, listener),
  );
}
