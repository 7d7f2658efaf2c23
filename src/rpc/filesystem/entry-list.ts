// The answer of ListDir, encoded part by part while the entries arrive, and counted in the memory budget until it is sent.
// JSON is written by hand: Connect-ES needs ten times as long. The result is byte for byte the same
// (test/rpc/filesystem/entry-list.test.ts).

import { create, toBinary } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { HoldfastError } from "../../errors.ts";
import type { Reservation } from "../../filesystem/index.ts";
import { type EntryInfo, FileType, ListDirResponseSchema } from "../../gen/filesystem_pb.ts";
import type { Codec } from "../output/event-frames.ts";
import type { EncodedMessage } from "../protocol/encoded-message.ts";

/** A list up to this size is answered even if the budget is spent. */
const FREE_BYTES = 64 * 1024;

export interface EntryListOptions {
  readonly codec: Codec;
  /** Part of the memory budget; undefined if there is no room. */
  reserve(bytes: number): Reservation | undefined;
}

export interface ListEnd {
  readonly unreadable: readonly string[];
  readonly nextPage: string;
}

export class EntryList {
  readonly #options: EntryListOptions;
  readonly #parts: Buffer[] = [];
  #bytes = 0;
  #reservation: Reservation | undefined;

  constructor(options: EntryListOptions) {
    this.#options = options;
  }

  /** Throws `resource_exhausted` if the budget has no room. */
  add(entries: readonly EntryInfo[]): void {
    if (entries.length === 0) return;
    if (this.#options.codec === "binary") {
      this.#push(toBytes(create(ListDirResponseSchema, { entries: [...entries] })));
      return;
    }
    const texts = entries.map((entry) => JSON.stringify(entryJson(entry)));
    this.#push(Buffer.from(`${this.#bytes === 0 ? '{"entries":[' : ","}${texts.join(",")}`));
  }

  /** The whole message. Call `release` when it is sent. */
  end(rest: ListEnd): EncodedMessage {
    if (this.#options.codec === "binary")
      this.#push(toBytes(create(ListDirResponseSchema, { ...rest, unreadable: [...rest.unreadable] })));
    else this.#push(Buffer.from(`${this.#bytes === 0 ? "{" : "]"}${this.#restJson(rest)}}`));
    return { parts: this.#parts, bytes: this.#bytes };
  }

  release(): void {
    this.#reservation?.release();
    this.#reservation = undefined;
  }

  #restJson({ unreadable, nextPage }: ListEnd): string {
    const fields = [
      ...(nextPage === "" ? [] : [`"nextPage":${JSON.stringify(nextPage)}`]),
      ...(unreadable.length === 0 ? [] : [`"unreadable":${JSON.stringify(unreadable)}`]),
    ].join(",");
    return this.#bytes === 0 || fields === "" ? fields : `,${fields}`;
  }

  #push(part: Buffer): void {
    if (part.length === 0) return;
    this.#parts.push(part);
    this.#bytes += part.length;
    if (this.#bytes > FREE_BYTES && !this.#hold()) {
      this.release();
      throw new HoldfastError(
        "resource_exhausted",
        `the list has more than ${this.#bytes} bytes, for which there is no room (--memory-budget); give page_size`,
      );
    }
  }

  #hold(): boolean {
    if (this.#reservation !== undefined) return this.#reservation.resize(this.#bytes);
    this.#reservation = this.#options.reserve(this.#bytes);
    return this.#reservation !== undefined;
  }
}

function toBytes(message: Parameters<typeof toBinary<typeof ListDirResponseSchema>>[1]): Buffer {
  const bytes = toBinary(ListDirResponseSchema, message);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Fields with their default value are left out, as protobuf's JSON leaves them out. */
function entryJson(entry: EntryInfo): object {
  const { name, type, path, size, mode, permissions, owner, group, modifiedTime, symlinkTarget, metadata } =
    entry;
  return {
    name: name || undefined,
    type: type === FileType.UNSPECIFIED ? undefined : `FILE_TYPE_${FileType[type]}`,
    path: path || undefined,
    size: size === 0n ? undefined : String(size),
    mode: mode || undefined,
    permissions: permissions || undefined,
    owner: owner || undefined,
    group: group || undefined,
    modifiedTime: modifiedTime === undefined ? undefined : timeText(modifiedTime),
    symlinkTarget,
    metadata: Object.keys(metadata).length === 0 ? undefined : metadata,
  };
}

/** RFC 3339 with as many digits as needed: none, 3, 6 or 9. */
function timeText({ seconds, nanos }: Timestamp): string {
  const digits = String(nanos).padStart(9, "0");
  const fraction = nanos === 0 ? "" : `.${digits.replace(/(?:000){1,2}$/, "")}`;
  return new Date(Number(seconds) * 1000).toISOString().replace(".000Z", `${fraction}Z`);
}
