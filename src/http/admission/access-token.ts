// The one secret that lets a client in. What is held is its SHA-256 and never itself: no log, heap dump or error shows it.

import { createHash, timingSafeEqual } from "node:crypto";
import type { HeaderReader } from "../exchange.ts";

export class AccessToken {
  #digest: Buffer | undefined;

  /** From now on every request needs `token`; those under way go on. Undefined: none does. */
  set(token: string | undefined): void {
    this.#digest = token === undefined ? undefined : digest(token);
  }

  get isSet(): boolean {
    return this.#digest !== undefined;
  }

  /** In a time that says nothing of either: digests are compared, and all of them. False while none is set. */
  matches(candidate: string): boolean {
    return this.#digest !== undefined && timingSafeEqual(this.#digest, digest(candidate));
  }
}

/**
 * What a client offers: `X-Access-Token`, or else `Authorization: Bearer`, so that `Basic` may name the user beside the first.
 * Nowhere else is looked, least of all in the URL, which ends up in logs and browsers' histories.
 */
export function offeredToken(header: HeaderReader): string | undefined {
  const token = header.get("X-Access-Token");
  if (token !== null) return token;
  return /^bearer +(.*)$/i.exec(header.get("Authorization") ?? "")?.[1];
}

function digest(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}
