// What a watch is asked for, and what it reports.

import type { Entry } from "../entries/entry.ts";

export type WatchEventType = "create" | "write" | "remove" | "rename" | "chmod";

export interface WatchRequest {
  readonly path: string;
  readonly recursive: boolean;
  readonly allowNetwork: boolean;
  readonly exclude: readonly string[];
}

/** An event without its entry. */
export interface RawWatchEvent {
  readonly name: string;
  readonly type: WatchEventType;
  readonly rescan: boolean;
}

export interface WatchEvent {
  /** Relative to the watched directory; `.` is the directory itself. */
  readonly name: string;
  readonly type: WatchEventType;
  readonly entry: Entry | undefined;
  /** The event stands for an unknown number of events that were lost below `name`. Its type is "write". */
  readonly rescan: boolean;
}

/** An event with its number since the watch began. */
export interface NumberedEvent extends WatchEvent {
  readonly offset: number;
}
