// The whole state of an agent except its settings, as plain data and descriptors.
//
// `format` is raised when an older reader would misread the state; a reader accepts its own format
// and the one before. `needs` names additions without which the state must not be accepted. Older
// readers ignore other additions. A field is never renamed or used for something else.
// test/handover/states has states of earlier versions.

import {
  type InitializationState,
  type SavedCode,
  type SavedSession,
  type UploadState,
  uploadDescriptors,
} from "../control/index.ts";
import type { WatchesState } from "../filesystem/index.ts";
import { type ServerState, serverDescriptors } from "../http/index.ts";
import type { AgentDefaults, TableState } from "../process/index.ts";
import { tableDescriptors } from "../process/index.ts";
import type { SavedClientStatistics, StreamState, WatchStreamState } from "../rpc/index.ts";

export const FORMAT = 1;
const OLDEST_FORMAT = 1;

/** The values of `AgentState.needs` that this version knows. */
const knownNeeds: ReadonlySet<string> = new Set();

/** Read by any version, in any format: an image that returns the state needs it. */
export interface StateHead {
  readonly format: number;
  readonly needs: readonly string[];
  /** The version that wrote it. */
  readonly version: string;
  /** Every descriptor that is kept open. */
  readonly descriptors: readonly number[];
  /** The image that wrote it, which continues if the next one cannot. */
  readonly previous: {
    readonly path: string;
    readonly argv: readonly string[];
    /** The file of a single executable, which may be replaced by now. */
    readonly executable?: number | undefined;
  };
}

/** The failure of the last upgrade. */
export interface UpgradeFailure {
  readonly message: string;
  /** Since the epoch. */
  readonly atMs: number;
}

/** The saved states of the parts of an agent. */
export interface SavedParts {
  readonly table: TableState;
  readonly server: ServerState;
  readonly streams: readonly StreamState[];
  readonly token?: string | undefined;
  readonly defaults: AgentDefaults;
  readonly initialization: InitializationState;
  /** The counter of VMClock that was seen last. */
  readonly vmGeneration?: string | undefined;
  readonly clients: SavedClientStatistics;
  readonly uploads?: readonly UploadState[] | undefined;
  readonly watches?: WatchesState | undefined;
  readonly watchStreams?: readonly WatchStreamState[] | undefined;
  /** Of the web console. */
  readonly sessions?: readonly SavedSession[] | undefined;
  readonly codes?: readonly SavedCode[] | undefined;
}

export interface AgentState extends StateHead, SavedParts {
  /** How often this agent became another image, the one that this state is for included. */
  readonly upgrades: number;
  readonly failure?: UpgradeFailure | undefined;
  /** When the writer stopped, as a lasting time. */
  readonly stoppedAtMs: number;
  /** When a crash of this agent last executed it again, as a lasting time. */
  readonly crashedAtMs?: number | undefined;
  /** See startGuard. */
  readonly guard?: number | undefined;
}

/** The descriptors of the parts, each once. */
export function partDescriptors({ table, server, streams, uploads = [], ...rest }: SavedParts): number[] {
  const { watches, watchStreams = [] } = rest;
  return [
    ...tableDescriptors(table),
    ...serverDescriptors(server),
    ...streams.map(({ fd }) => fd),
    ...uploadDescriptors(uploads),
    ...(watches?.fd === undefined ? [] : [watches.fd]),
    ...watchStreams.map(({ fd }) => fd),
  ];
}

/** Throws with the reason why this version cannot continue with `state`. */
export function checkHead({ format, needs, version }: StateHead): void {
  if (format > FORMAT || format < OLDEST_FORMAT)
    throw new Error(
      `version ${version} wrote its state in format ${format}; this one reads ${OLDEST_FORMAT} to ${FORMAT}`,
    );
  const unknown = needs.filter((need) => !knownNeeds.has(need));
  if (unknown.length > 0)
    throw new Error(
      `the state of version ${version} needs what this one does not know: ${unknown.join(", ")}`,
    );
}
