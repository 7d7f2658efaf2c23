// The body of an upload as pieces: with a time limit for silence, checked digests, and decompressed if its client
// compressed it.

import { once } from "node:events";
import { createGunzip } from "node:zlib";
import { HoldfastError } from "../../errors.ts";
import type { NodeRequest } from "../../http/index.ts";
import { clip, messageOf } from "../../text.ts";
import { digestCheck } from "../file-headers/digests.ts";
import { watchIdle } from "../files/idle-watch.ts";
import { ExpansionLimit } from "./expansion-limit.ts";

type Header = { get(name: string): string | null };

const PIECE_BYTES = 64 * 1024;

/**
 * Ends when the whole body has arrived and its digests are right. Throws `deadline_exceeded` after `idleMs` without a byte,
 * and `invalid_argument` for a body that is not what its headers say. Leaves the request open, so that it can be answered.
 */
export async function* uploadBody(
  request: NodeRequest,
  header: Header,
  idleMs: number,
): AsyncGenerator<Uint8Array, void, void> {
  const coding = codingOf(header);
  const digests = ["Content-Digest", "Repr-Digest"].flatMap(
    (name) => digestCheck(name, header.get(name)) ?? [],
  );
  const arriving = digested(timely(request, idleMs), digests);
  if (coding === "gzip") yield* gunzipped(arriving);
  else yield* arriving;
}

function codingOf(header: Header): "identity" | "gzip" {
  const value = (header.get("Content-Encoding") ?? "").trim().toLowerCase();
  if (value === "" || value === "identity") return "identity";
  if (value === "gzip" || value === "x-gzip") return "gzip";
  throw new HoldfastError("invalid_argument", `Content-Encoding is gzip or identity, not "${clip(value)}"`);
}

/** Only silence of the client counts, not the time in which the agent stores the content. */
export async function* timely(request: NodeRequest, idleMs: number): AsyncGenerator<Uint8Array, void, void> {
  const pieces: AsyncIterator<Buffer> = request.iterator({ destroyOnReturn: false });
  /** Ends the wait for a piece. Of each wait: Promise.race with one promise for all of them would keep them all. */
  let fail: ((error: Error) => void) | undefined;
  const next = () =>
    new Promise<IteratorResult<Buffer>>((resolve, reject) => {
      fail = reject;
      pieces.next().then(resolve, reject);
    });
  const arm = () =>
    watchIdle(idleMs, () => {
      if (fail !== undefined) fail(silent(idleMs));
      else watch = arm();
    });
  let watch = arm();
  try {
    for (;;) {
      watch.noteProgress();
      const piece = await next();
      fail = undefined;
      if (piece.done === true) return;
      yield piece.value;
    }
  } finally {
    watch.stop();
  }
}

function silent(idleMs: number): HoldfastError {
  return new HoldfastError(
    "deadline_exceeded",
    `nothing of the body arrived for ${idleMs} ms (--transfer-idle-timeout)`,
  );
}

async function* digested(
  pieces: AsyncIterable<Uint8Array>,
  digests: readonly { update(chunk: Uint8Array): void; verify(): void }[],
): AsyncGenerator<Uint8Array, void, void> {
  for await (const piece of pieces) {
    for (const digest of digests) digest.update(piece);
    yield piece;
  }
  for (const digest of digests) digest.verify();
}

async function* gunzipped(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  const decoder = createGunzip({ chunkSize: PIECE_BYTES });
  const limit = new ExpansionLimit();
  let failure: unknown;
  const feed = async () => {
    for await (const piece of pieces) {
      limit.noteReceived(piece.length);
      if (!decoder.write(piece)) await once(decoder, "drain");
    }
    decoder.end();
  };
  decoder.on("error", () => {
    // The loop below throws it; this keeps one that comes after the loop from ending the agent.
  });
  const feeding = feed().catch((error: unknown) => {
    failure = error;
    decoder.destroy();
  });
  try {
    for await (const piece of decoder as AsyncIterable<Buffer>) {
      limit.noteProduced(piece.length);
      yield piece;
    }
    await feeding;
  } catch (error) {
    if (failure !== undefined) throw failure;
    if (error instanceof HoldfastError) throw error;
    throw new HoldfastError("invalid_argument", `the body is not valid gzip data: ${messageOf(error)}`);
  } finally {
    decoder.destroy();
  }
  if (failure !== undefined) throw failure;
}
