// All tokens that the agent accepts: the access token, which allows everything, and those of further sources, each with
// its scopes. Answers which grant a request has.

import { createHash } from "node:crypto";
import { headerReader, type NodeRequest } from "../exchange.ts";
import { type AccessToken, offeredToken } from "./access-token.ts";
import { FULL_GRANT, type Grant } from "./grant.ts";

/** Tokens besides the access token. */
export interface TokenSource {
  /** Whether every request needs a token because of this source. */
  readonly needsToken: boolean;
  /** `digest` is the SHA-256 of a token, in hexadecimal. Expired grants also. */
  find(digest: string): Grant | undefined;
  grants(): Iterable<Grant>;
}

export type Verdict =
  | { readonly kind: "granted"; readonly grant: Grant }
  | { readonly kind: "missing" | "wrong" | "expired" };

/**
 * Tokens of console sessions begin with it. A client without any token is admitted while the agent needs none, and so is
 * one with a token that is not known; but one whose session has ended must not suddenly be allowed everything.
 */
export const SESSION_PREFIX = "hfs_";

export class Credentials {
  readonly accessToken: AccessToken;
  readonly #sources: readonly TokenSource[];

  constructor(accessToken: AccessToken, sources: readonly TokenSource[] = []) {
    this.accessToken = accessToken;
    this.#sources = sources;
  }

  /** Whether requests without a token are refused. */
  get areRequired(): boolean {
    return this.accessToken.isSet || this.#sources.some(({ needsToken }) => needsToken);
  }

  verdictOn(request: NodeRequest): Verdict {
    return this.verdictOnToken(offeredToken(headerReader(request)));
  }

  verdictOnToken(offered: string | undefined): Verdict {
    if (offered === undefined) return this.areRequired ? { kind: "missing" } : granted;
    if (this.accessToken.matches(offered)) return granted;
    const grant = this.#find(offered);
    if (grant !== undefined) return grant.hasExpired ? { kind: "expired" } : { kind: "granted", grant };
    return this.areRequired || offered.startsWith(SESSION_PREFIX) ? { kind: "wrong" } : granted;
  }

  /** The grant that another image of the agent knew by `key`; undefined if its token is gone, or has other rights now. */
  grantWithKey(key: string): Grant | undefined {
    for (const source of this.#sources)
      for (const grant of source.grants()) if (grant.key === key) return grant;
    return undefined;
  }

  #find(offered: string): Grant | undefined {
    if (this.#sources.length === 0) return undefined;
    const digest = digestOf(offered);
    for (const source of this.#sources) {
      const grant = source.find(digest);
      if (grant !== undefined) return grant;
    }
    return undefined;
  }
}

const granted: Verdict = { kind: "granted", grant: FULL_GRANT };

/** As sources store it: nothing that leaks shows the token. */
export function digestOf(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}

const grants = new WeakMap<NodeRequest, Grant>();

/** The grant of an admitted request. Those without an entry were admitted before they needed one. */
export function grantOf(request: NodeRequest): Grant {
  return grants.get(request) ?? FULL_GRANT;
}

/** Full grants are not stored: they are the common case. */
export function setGrant(request: NodeRequest, grant: Grant): void {
  if (grant !== FULL_GRANT) grants.set(request, grant);
}
