// The secret that admits a client. Comparisons use its SHA-256. The token itself is kept for signatures of URLs, which
// contain it in the middle of the signed text; it is a private field, so that no log or error can show it.

import { createHash, timingSafeEqual } from "node:crypto";
import type { HeaderReader } from "../exchange.ts";

export class AccessToken {
  #digest: Buffer | undefined;
  #token: string | undefined;

  /** From now on each new request needs `token`; undefined: no request needs one. */
  set(token: string | undefined): void {
    this.#digest = token === undefined ? undefined : digest(token);
    this.#token = token;
  }

  /** The token itself: signatures of URLs need it. For src/handover. */
  save(): string | undefined {
    return this.#token;
  }

  get isSet(): boolean {
    return this.#digest !== undefined;
  }

  /** Takes the same time for every candidate. False while no token is set. */
  matches(candidate: string): boolean {
    return this.#digest !== undefined && timingSafeEqual(this.#digest, digest(candidate));
  }

  /**
   * Whether `signature` is that of `path`, `operation` and `username` (in this order), and of
   * `expiration` if there is one. Takes the same time for every signature. False while no token is
   * set.
   */
  hasSigned(signature: string, parts: readonly Buffer[], expiration: string | undefined): boolean {
    if (this.#token === undefined) return false;
    const hash = createHash("sha256");
    for (const part of parts) hash.update(part).update(":");
    hash.update(this.#token);
    if (expiration !== undefined) hash.update(`:${expiration}`);
    const right = `v1_${hash.digest("base64").replace(/=+$/, "")}`;
    return timingSafeEqual(digest(right), digest(signature));
  }
}

/**
 * The token in `X-Access-Token`, or else in `Authorization: Bearer`. The first leaves `Authorization` free
 * to name the user (`Basic`). The URL is not searched: URLs end up in logs and browser histories.
 */
export function offeredToken(header: HeaderReader): string | undefined {
  const token = header.get("X-Access-Token");
  if (token !== null) return token;
  return /^bearer +(.*)$/i.exec(header.get("Authorization") ?? "")?.[1];
}

function digest(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}
