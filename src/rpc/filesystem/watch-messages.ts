// Events of watches as the wire shows them.

import { create } from "@bufbuild/protobuf";
import { HoldfastError } from "../../errors.ts";
import type { NumberedEvent, WatchEventType } from "../../filesystem/index.ts";
import { EventType, type FilesystemEvent, FilesystemEventSchema } from "../../gen/filesystem_pb.ts";
import type { RpcContext } from "../protocol/call-context.ts";
import { entryMessages, type ToEntryInfo } from "./entry-messages.ts";

const types: Readonly<Record<WatchEventType, EventType>> = {
  create: EventType.CREATE,
  write: EventType.WRITE,
  remove: EventType.REMOVE,
  rename: EventType.RENAME,
  chmod: EventType.CHMOD,
};

export type ToWireEvent = (event: NumberedEvent) => FilesystemEvent;

/** `offsets`: the client asked for the additions. */
export function watchMessages(context: RpcContext, offsets: boolean): ToWireEvent {
  return toWireEvents(entryMessages(context), offsets);
}

export function toWireEvents(toInfo: ToEntryInfo, offsets: boolean): ToWireEvent {
  return ({ name, type, entry, offset, rescan }) =>
    create(FilesystemEventSchema, {
      name,
      type: types[type],
      ...(entry === undefined ? {} : { entry: toInfo(entry) }),
      ...(offsets ? { offset: BigInt(offset), rescan } : {}),
    });
}

/** The event for a client whose offset is before all held events: some are missing. */
export function lostBefore(oldest: number): NumberedEvent {
  return { name: ".", type: "write", entry: undefined, rescan: true, offset: oldest - 1 };
}

/** Throws `out_of_range` for a number that no event has and the next one will not have. */
export function toEventOffset(value: bigint | undefined, next: number): number | undefined {
  if (value === undefined) return undefined;
  if (value <= BigInt(next)) return Number(value);
  throw new HoldfastError(
    "out_of_range",
    `from_offset ${value} is above the number of the next event of this watch (${next})`,
  );
}
