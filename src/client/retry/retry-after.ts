// The wait that the other side asked for with an error: HTTP's Retry-After, or the RetryInfo detail of
// Connect and gRPC errors.

import { BinaryReader } from "@bufbuild/protobuf/wire";
import type { AnswerError } from "../transport/answer-error.ts";

/** A longer wait is probably a mistake: the client asks again after this. */
const MAX_RETRY_AFTER_MS = 120_000;

type Waiting = Pick<AnswerError, "metadata" | "details">;

/** In milliseconds; undefined if no wait was asked for. The longer one, if both are present. */
export function retryAfterMs(error: Waiting): number | undefined {
  const waits = [parseRetryAfterMs(error.metadata.get("retry-after")), ...fromDetails(error)];
  const longestMs = Math.max(0, ...waits.map((ms) => ms ?? 0));
  return longestMs === 0 ? undefined : Math.min(longestMs, MAX_RETRY_AFTER_MS);
}

/** The header Retry-After: whole seconds, or a date (RFC 9110, 10.2.3). Anything else is ignored. */
export function parseRetryAfterMs(value: string | null | undefined): number | undefined {
  if (value === null || value === undefined) return undefined;
  const ms = /^\d+$/.test(value) ? 1000 * Number(value) : Date.parse(value) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.max(0, Math.min(ms, MAX_RETRY_AFTER_MS));
}

function fromDetails({ details }: Waiting): (number | undefined)[] {
  return details.flatMap((detail) =>
    detail.type === "google.rpc.RetryInfo" ? [fromRetryInfo(detail.value)] : [],
  );
}

/** `RetryInfo { google.protobuf.Duration retry_delay = 1; }`. Undefined if it cannot be parsed. */
function fromRetryInfo(bytes: Uint8Array): number | undefined {
  try {
    let ms: number | undefined;
    const reader = new BinaryReader(bytes);
    eachField(reader, 1, () => {
      ms = durationMs(new BinaryReader(reader.bytes()));
    });
    return ms;
  } catch {
    // A malformed detail is ignored, as an unknown one is.
    return undefined;
  }
}

/** `Duration { int64 seconds = 1; int32 nanos = 2; }`. By hand, because its schema would add to every bundle. */
function durationMs(reader: BinaryReader): number {
  let ms = 0;
  eachField(reader, 1, () => {
    ms += 1000 * Number(reader.int64());
  });
  reader.pos = 0;
  eachField(reader, 2, () => {
    ms += reader.int32() / 1e6;
  });
  return ms;
}

/** Calls `read` at each field with the number `wanted`, and skips the others. */
function eachField(reader: BinaryReader, wanted: number, read: () => void): void {
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === wanted) read();
    else reader.skip(wireType, field);
  }
}
