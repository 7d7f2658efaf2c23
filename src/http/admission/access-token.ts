// The secret that admits a client. Only its SHA-256 is kept, so that no log, heap dump or error can show
// the token itself.

import { createHash, timingSafeEqual } from "node:crypto";
import type { HeaderReader } from "../exchange.ts";

export class AccessToken {
  #digest: Buffer | undefined;

  /** From now on each new request needs `token`; undefined: no request needs one. */
  set(token: string | undefined): void {
    this.#digest = token === undefined ? undefined : digest(token);
  }

  get isSet(): boolean {
    return this.#digest !== undefined;
  }

  /** Takes the same time whatever the candidate is. False while no token is set. */
  matches(candidate: string): boolean {
    return this.#digest !== undefined && timingSafeEqual(this.#digest, digest(candidate));
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
