// How the agent saves its parts for its next image, and how it continues from the state of the
// image before. The order matters: streams are attached before processes are read, otherwise output
// that a slow client still needs could be dropped.

import { closeSync } from "node:fs";
import type { Socket } from "node:net";
import type { ConsoleSessions, Initialization, UploadTable } from "../control/index.ts";
import type { Watchers } from "../filesystem/index.ts";
import type { AgentState, Inheritance, SavedParts } from "../handover/index.ts";
import {
  type AccessToken,
  type Credentials,
  FULL_GRANT,
  type RunningServer,
  serverDescriptors,
} from "../http/index.ts";
import { lastingNowMs } from "../lasting-time.ts";
import type { Fd, InheritedDescriptors } from "../linux/index.ts";
import type { Logger } from "../logger.ts";
import { type AgentDefaults, dismissGuard, type ProcessTable } from "../process/index.ts";
import type { ClientActivity, LoadedRpcs, OutputStreams, WatchStreams } from "../rpc/index.ts";
import type { GenerationWatch } from "./generation-watch.ts";

/** A state, and the descriptors that belong to it. */
export interface Inherited {
  readonly state: AgentState;
  readonly descriptors: InheritedDescriptors;
}

export interface Parts {
  readonly table: ProcessTable;
  readonly server: () => Pick<RunningServer, "save" | "sentAhead"> | undefined;
  readonly streams: OutputStreams;
  readonly token: AccessToken;
  readonly sessions: ConsoleSessions | undefined;
  readonly defaults: AgentDefaults;
  readonly initialization: Initialization;
  readonly generations: GenerationWatch;
  readonly activity: ClientActivity;
  readonly uploads: UploadTable;
  readonly watchers: Watchers;
  readonly watchStreams: WatchStreams;
}

export function saveParts(parts: Parts): SavedParts {
  const server = parts.server();
  const sentAhead = (socket: Socket) => server?.sentAhead(socket);
  const { states, processes } = parts.streams.save(sentAhead);
  const watchStreams = parts.watchStreams.save(sentAhead);
  const carried = new Set([...states, ...watchStreams].map(({ fd }) => fd));
  const { requestBytes: _, ...clients } = parts.activity.statistics;
  return {
    table: parts.table.save(processes),
    server: server?.save(carried) ?? { listening: [], silent: [], parting: [] },
    streams: states,
    token: parts.token.save(),
    defaults: { ...parts.defaults },
    initialization: parts.initialization.save(),
    vmGeneration: parts.generations.vmGeneration,
    clients,
    uploads: parts.uploads.save(),
    watches: parts.watchers.save(),
    watchStreams,
    sessions: parts.sessions?.save(),
    codes: parts.sessions?.saveCodes(),
  };
}

/** Those that no part claims when it is restored. Throws if then some are left that this version does not know. */
export function claimRest({ state, descriptors }: Inherited): void {
  const { server, streams, watchStreams = [], guard, previous } = state;
  const own = [guard, previous.executable].filter((fd) => fd !== undefined);
  for (const fd of [
    ...serverDescriptors(server),
    ...[...streams, ...watchStreams].map(({ fd }) => fd),
    ...own,
  ])
    descriptors.claim(fd, "other");
  descriptors.assertAllClaimed();
}

/** The point of no return: everything continues. */
export function continueAll(
  { state, accept }: Pick<Inheritance, "state" | "accept">,
  {
    table,
    server,
    watchers,
    credentials,
    rpcs,
    logger,
  }: {
    readonly credentials: Credentials;
    readonly table: ProcessTable;
    readonly watchers: Watchers;
    readonly server: RunningServer;
    /** Undefined if no stream is carried. */
    readonly rpcs: LoadedRpcs | undefined;
    readonly logger: Logger;
  },
): void {
  const { upgrades, version, stoppedAtMs, guard, previous } = state;
  const grantOf = ({ grantKey }: { readonly grantKey?: string | undefined }) =>
    grantKey === undefined ? FULL_GRANT : credentials.grantWithKey(grantKey);
  accept();
  const begin = state.streams.flatMap((stream) => {
    const process = table.findCarried(stream.processId);
    const connection = server.resume(stream.fd, stream.isLastAnswer === true);
    if (process === undefined || rpcs === undefined) {
      connection.socket.destroy();
      return [];
    }
    return [rpcs.continueStream(stream, process, connection, grantOf(stream))];
  });
  for (const stream of state.watchStreams ?? []) {
    const connection = server.resume(stream.fd, stream.isLastAnswer === true);
    try {
      if (rpcs !== undefined) begin.push(rpcs.continueWatch(stream, connection, grantOf(stream)));
    } catch (error) {
      logger.error({ err: error }, "a stream could not continue");
      connection.socket.destroy();
    }
  }
  table.goOn();
  watchers.goOn();
  for (const continueStream of begin)
    continueStream().catch((error: unknown) => logger.error({ err: error }, "a stream could not continue"));
  server.goOn();
  if (guard !== undefined) dismissGuard(guard as Fd);
  if (previous.executable !== undefined) closeSync(previous.executable);
  const pauseMs = Math.round(lastingNowMs() - stoppedAtMs);
  logger.info({ from: version, upgrades, pauseMs }, "upgraded");
}
