// Content-Digest and Repr-Digest of an upload (RFC 9530): `sha-256=:BASE64:`. The agent compares
// them with the received content before it touches the file.

import { createHash, type Hash } from "node:crypto";
import { HoldfastError } from "../../errors.ts";
import { clip } from "../../text.ts";

const algorithms: Readonly<
  Record<string, { readonly name: ExpectedDigest["algorithm"]; readonly bytes: number }>
> = {
  "sha-256": { name: "sha256", bytes: 32 },
  "sha-512": { name: "sha512", bytes: 64 },
};

export interface DigestCheck {
  update(chunk: Uint8Array): void;
  /** Throws `invalid_argument` if the received content has another digest. To be called once, at the end. */
  verify(): void;
}

/** `Repr-Digest` of what a SHA-256 has seen. */
export function reprDigest(hash: Hash): string {
  return `sha-256=:${hash.copy().digest("base64")}:`;
}

export interface ExpectedDigest {
  readonly algorithm: "sha256" | "sha512";
  readonly digest: Buffer;
}

/** Undefined without the header, and if it has only algorithms that are not known here. */
export function digestCheck(headerName: string, value: string | null): DigestCheck | undefined {
  const expected = expectedDigest(headerName, value);
  if (expected === undefined) return undefined;
  const hash = createHash(expected.algorithm);
  return {
    update: (chunk) => void hash.update(chunk),
    verify: () => compareDigest(headerName, expected, hash),
  };
}

/** The first one of a known algorithm. Undefined without one; throws `invalid_argument` for a malformed header. */
export function expectedDigest(headerName: string, value: string | null): ExpectedDigest | undefined {
  if (value === null) return undefined;
  for (const item of value.split(",")) {
    const [, key = "", base64 = ""] = /^\s*([\w-]+)\s*=\s*:([^:]*):\s*$/.exec(item) ?? [];
    const algorithm = Object.hasOwn(algorithms, key) ? algorithms[key] : undefined;
    if (algorithm === undefined) continue;
    const digest = Buffer.from(base64, "base64");
    if (digest.length !== algorithm.bytes) throw malformed(headerName, item, algorithm.bytes);
    return { algorithm: algorithm.name, digest };
  }
  // Every other algorithm may be ignored, but a header that is none at all is a mistake.
  if (!/^\s*[\w-]+\s*=\s*:/.test(value)) throw malformed(headerName, value, 32);
  return undefined;
}

/** Throws `invalid_argument` if the content that `hash` has seen has another digest. `hash` can be used again. */
export function compareDigest(headerName: string, { digest }: ExpectedDigest, hash: Hash): void {
  const actual = hash.copy().digest();
  if (actual.equals(digest)) return;
  throw new HoldfastError(
    "invalid_argument",
    `${headerName} is ${digest.toString("base64")}, but the received content has ${actual.toString("base64")}; ` +
      "the file is unchanged",
  );
}

function malformed(headerName: string, value: string, bytes: number): HoldfastError {
  return new HoldfastError(
    "invalid_argument",
    `${headerName} must be sha-256=:BASE64: with ${bytes} bytes in base64: "${clip(value.trim())}"`,
  );
}
