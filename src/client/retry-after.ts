// The wait that the other side asked for with an error: HTTP's Retry-After, or the RetryInfo detail of
// Connect and gRPC errors.

import { fromBinary } from "@bufbuild/protobuf";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { DurationSchema } from "@bufbuild/protobuf/wkt";
import type { ConnectError } from "@connectrpc/connect";

/** A longer wait is probably a mistake: the client asks again after this. */
const MAX_RETRY_AFTER_MS = 120_000;

/** In milliseconds; undefined if no wait was asked for. The longer one, if both are present. */
export function retryAfterMs(error: ConnectError): number | undefined {
  const waits = [fromHeader(error.metadata.get("retry-after")), ...fromDetails(error)];
  const longestMs = Math.max(0, ...waits.map((ms) => ms ?? 0));
  return longestMs === 0 ? undefined : Math.min(longestMs, MAX_RETRY_AFTER_MS);
}

/** Whole seconds, or a date (RFC 9110, 10.2.3). Anything else is ignored. */
function fromHeader(value: string | null): number | undefined {
  if (value === null) return undefined;
  const ms = /^\d+$/.test(value) ? 1000 * Number(value) : Date.parse(value) - Date.now();
  return Number.isNaN(ms) ? undefined : ms;
}

function fromDetails({ details }: ConnectError): (number | undefined)[] {
  return details.flatMap((detail) =>
    "type" in detail && detail.type === "google.rpc.RetryInfo" ? [fromRetryInfo(detail.value)] : [],
  );
}

/** `RetryInfo { google.protobuf.Duration retry_delay = 1; }`. Undefined if it cannot be parsed. */
function fromRetryInfo(bytes: Uint8Array): number | undefined {
  try {
    const reader = new BinaryReader(bytes);
    while (reader.pos < reader.len) {
      const [field, wireType] = reader.tag();
      if (field !== 1) {
        reader.skip(wireType, field);
        continue;
      }
      const { seconds, nanos } = fromBinary(DurationSchema, reader.bytes());
      return 1000 * Number(seconds) + nanos / 1e6;
    }
  } catch {
    // A malformed detail is ignored, as an unknown one is.
  }
  return undefined;
}
