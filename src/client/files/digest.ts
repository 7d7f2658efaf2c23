// The digest of a part that is sent, so that the agent refuses a part that changed on its way (RFC 9530).

/** Undefined where the platform computes none: in pages without HTTPS. */
export async function contentDigest(
  slices: AsyncIterable<Uint8Array>,
  bytes: number,
): Promise<string | undefined> {
  const subtle = globalThis.crypto?.subtle;
  if (subtle === undefined || bytes === 0) return undefined;
  const whole = new Uint8Array(bytes);
  let at = 0;
  for await (const slice of slices) {
    whole.set(slice, at);
    at += slice.length;
  }
  const digest = new Uint8Array(await subtle.digest("SHA-256", whole));
  return `sha-256=:${btoa(String.fromCharCode(...digest))}:`;
}
