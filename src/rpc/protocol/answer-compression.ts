// The compressions of answers. Requests are decompressed by decompression.ts.

import { type Compression, compressionNegotiate } from "@connectrpc/connect/protocol";
import { compressionBrotli, compressionGzip } from "@connectrpc/connect-node";

export const acceptedCompressions: readonly Compression[] = [compressionGzip, compressionBrotli];

/** The library compresses only messages that are at least as long. */
export const COMPRESSED_FROM_BYTES = 1024;

/** The first compression of `accepted`, which is the client's header, that the agent has. */
export function answerCompression(accepted: string | undefined): Compression | undefined {
  if (accepted === undefined) return undefined;
  return compressionNegotiate([...acceptedCompressions], null, accepted, "").response ?? undefined;
}
