// A WatchDir stream: its events as texts such as "CREATE a/b", collected until the test has those it
// waits for.

import type { Client } from "@connectrpc/connect";
import { onTestFinished } from "vitest";
import {
  EventType,
  type Filesystem,
  type FilesystemEvent,
  type WatchDirRequest,
} from "../../../src/gen/filesystem_pb.ts";
import { inTime } from "../deadline.ts";

export interface WatchStream {
  /** All events so far. */
  readonly events: readonly FilesystemEvent[];
  /** As texts. */
  names(): string[];
  readonly watcherId: string;
  readonly offset: bigint | undefined;
  keepalives(): number;
  /** Resolves when `done` is true. */
  until(done: (names: string[]) => boolean): Promise<void>;
  /** Resolves with the error of the stream when it has ended. */
  ended(): Promise<unknown>;
  /** Cuts the connection. */
  leave(): void;
}

export const textOf = ({ name, type, rescan }: FilesystemEvent): string =>
  `${rescan ? "RESCAN" : (EventType[type] ?? type)} ${name}`;

/** Resolves when the watch is armed. */
export async function openWatch(
  client: Client<typeof Filesystem>,
  request: Partial<WatchDirRequest>,
  headers: Record<string, string> = {},
): Promise<WatchStream> {
  const abort = new AbortController();
  onTestFinished(() => abort.abort());
  const events: FilesystemEvent[] = [];
  let keepalives = 0;
  let hasEnded = false;
  let failure: unknown;
  let changed = (): void => undefined;
  const { $typeName, $unknown, ...fields } = { $typeName: "", $unknown: undefined, ...request };
  const stream = client.watchDir(fields, { signal: abort.signal, headers })[Symbol.asyncIterator]();
  const first = await stream.next();
  const start = first.done === true ? undefined : first.value.event;
  if (start?.case !== "start") throw new Error(`the first event is ${JSON.stringify(start)}`);
  const read = async () => {
    try {
      for (let next = await stream.next(); next.done !== true; next = await stream.next()) {
        const { event } = next.value;
        if (event.case === "filesystem") events.push(event.value);
        if (event.case === "keepalive") keepalives++;
        changed();
      }
    } catch (error) {
      failure = error;
    }
    hasEnded = true;
    changed();
  };
  const reading = read();
  const names = () => events.map(textOf);
  const until = (done: () => boolean) =>
    inTime(
      new Promise<void>((resolve, reject) => {
        changed = () => {
          if (done()) resolve();
          else if (hasEnded) reject(failure ?? new Error(`the stream ended after ${names().join(", ")}`));
        };
        changed();
      }),
      () => `received ${names().slice(-50).join(", ")}`,
    );
  return {
    events,
    names,
    watcherId: start.value.watcherId,
    offset: start.value.offset,
    keepalives: () => keepalives,
    until: (done) => until(() => done(names())),
    ended: async () => {
      await reading;
      return failure;
    },
    leave: () => abort.abort(),
  };
}
