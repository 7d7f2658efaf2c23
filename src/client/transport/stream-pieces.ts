/** The pieces of a stream; none for null. Not every browser can iterate over a ReadableStream. */
export async function* streamPieces(
  stream: ReadableStream<Uint8Array> | null,
): AsyncGenerator<Uint8Array, void, void> {
  if (stream === null) return;
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    // After the end or an error this does nothing.
    reader.cancel().catch(() => undefined);
  }
}
