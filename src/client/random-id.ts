export const ID_BYTES = 16;

/** 128 random bits. Browsers provide crypto.randomUUID only to secure pages, so it is not used. */
export function randomId(): string {
  return hexId(crypto.getRandomValues(new Uint8Array(ID_BYTES)));
}

export function hexId(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
