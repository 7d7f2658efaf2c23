// The headers that every stream sends for the proxies on its way.

/** Pass output on at once (nginx), and neither keep nor compress it. */
const STREAM_HEADERS = { "X-Accel-Buffering": "no", "Cache-Control": "no-store, no-transform" };

/** Before the first message: it takes the headers with it. */
export function setStreamHeaders(header: { set(name: string, value: string): void }): void {
  for (const [name, value] of Object.entries(STREAM_HEADERS)) header.set(name, value);
}
