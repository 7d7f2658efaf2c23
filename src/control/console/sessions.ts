// One-time codes and the sessions that they open: how a browser gets a token that no person has to
// paste. A code can be used once, within a minute; the token that replaces it ends after twelve
// hours, with the agent, or with its generation. Only hashes are kept. Nothing here wakes the agent
// up: the next call removes expired ones.

import { type Clock, realClock } from "../../clock.ts";
import { HoldfastError } from "../../errors.ts";
import { digestOf, Grant, type Scope, SESSION_PREFIX, type TokenSource } from "../../http/index.ts";
import { kernelRandomBytes } from "../../linux/index.ts";
import type { Logger } from "../../logger.ts";

export const CODE_MS = 60_000;
const SESSION_MS = 12 * 3_600_000;
const MAX_CODES = 64;
const MAX_SESSIONS = 256;
const CODE_BYTES = 16;
const TOKEN_BYTES = 32;

/** The rights of a code, and then of its session. */
export interface SessionScope {
  readonly scope: Scope;
  /** A process_id or a tag. Undefined: all processes. */
  readonly process: string | undefined;
}

export interface OpenedSession {
  readonly token: string;
  readonly grant: Grant;
}

interface Code extends SessionScope {
  readonly endsAtMs: number;
}

interface Session {
  readonly grant: Grant;
  readonly opened: SessionScope;
  readonly endsAtMs: number;
}

/** As an upgrade of the agent carries it. */
export interface SavedSession extends SessionScope {
  readonly digest: string;
  readonly id: string;
  readonly remainingMs: number;
}

/** The same of a code that was not used yet. */
export interface SavedCode extends SessionScope {
  readonly digest: string;
  readonly remainingMs: number;
}

export class ConsoleSessions implements TokenSource {
  /** A session is an additional way in. */
  readonly needsToken = false;
  readonly #logger: Logger;
  readonly #clock: Pick<Clock, "nowMs">;
  /** By the digest of the code, oldest first. */
  readonly #codes = new Map<string, Code>();
  /** By the digest of the token, oldest first. */
  readonly #sessions = new Map<string, Session>();

  constructor(logger: Logger, saved: readonly SavedSession[] = [], clock: Pick<Clock, "nowMs"> = realClock) {
    this.#logger = logger;
    this.#clock = clock;
    for (const { digest, id, remainingMs, scope, process } of saved)
      this.#add(digest, id, { scope, process }, remainingMs);
  }

  /** A new code. Throws `resource_exhausted` while too many wait to be used. */
  issueCode(scope: SessionScope): string {
    this.#removeExpired();
    if (this.#codes.size >= MAX_CODES)
      throw new HoldfastError(
        "resource_exhausted",
        `${MAX_CODES} one-time codes wait to be used; each ends after ${CODE_MS / 1000} s, then try again`,
      );
    const code = kernelRandomBytes(CODE_BYTES).toString("base64url");
    this.#codes.set(digestOf(code), { ...scope, endsAtMs: this.#clock.nowMs() + CODE_MS });
    this.#logger.info({ scope: scope.scope, process: scope.process }, "console code issued");
    return code;
  }

  /** Opens a session for `code`, which is then used up. Undefined: no such code. The longest open session makes room. */
  openSession(code: string): OpenedSession | undefined {
    this.#removeExpired();
    const digest = digestOf(code);
    const found = this.#codes.get(digest);
    if (found === undefined) {
      this.#logger.warn({}, "console code refused: unknown, used or expired");
      return undefined;
    }
    this.#codes.delete(digest);
    const [oldest] = this.#sessions.keys();
    if (this.#sessions.size >= MAX_SESSIONS && oldest !== undefined) this.end(oldest);
    const token = SESSION_PREFIX + kernelRandomBytes(TOKEN_BYTES).toString("base64url");
    const { scope, process } = found;
    const id = `console ${kernelRandomBytes(4).toString("hex")}`;
    const grant = this.#add(digestOf(token), id, { scope, process }, SESSION_MS);
    this.#logger.info({ session: id, scope, process }, "console code used");
    return { token, grant };
  }

  find(digest: string): Grant | undefined {
    return this.#sessions.get(digest)?.grant;
  }

  *grants(): Iterable<Grant> {
    for (const { grant } of this.#sessions.values()) yield grant;
  }

  /** Ends the session of a token, and the streams of its page. False if there is none. */
  end(digest: string): boolean {
    const session = this.#sessions.get(digest);
    if (session === undefined) return false;
    this.#sessions.delete(digest);
    session.grant.revoke();
    return true;
  }

  /** Ends everything: this machine was restored or cloned. */
  void(): void {
    this.#codes.clear();
    for (const digest of [...this.#sessions.keys()]) this.end(digest);
  }

  saveCodes(): SavedCode[] {
    this.#removeExpired();
    return [...this.#codes].map(([digest, { scope, process, endsAtMs }]) => ({
      ...{ scope, process, digest },
      remainingMs: endsAtMs - this.#clock.nowMs(),
    }));
  }

  /** Those of the image before. */
  restoreCodes(saved: readonly SavedCode[]): void {
    for (const { digest, scope, process, remainingMs } of saved)
      this.#codes.set(digest, { scope, process, endsAtMs: this.#clock.nowMs() + remainingMs });
  }

  save(): SavedSession[] {
    this.#removeExpired();
    return [...this.#sessions].map(([digest, { grant, opened, endsAtMs }]) => ({
      ...opened,
      digest,
      id: grant.id,
      remainingMs: endsAtMs - this.#clock.nowMs(),
    }));
  }

  #add(digest: string, id: string, opened: SessionScope, remainingMs: number): Grant {
    const endsAtMs = this.#clock.nowMs() + remainingMs;
    const grant = new Grant({
      id,
      // Its rights never change.
      key: `${id} ${digest}`,
      scopes: [opened.scope],
      processes: opened.process === undefined ? undefined : new Set([opened.process]),
      remainingMs: () => endsAtMs - this.#clock.nowMs(),
    });
    this.#sessions.set(digest, { grant, opened, endsAtMs });
    return grant;
  }

  #removeExpired(): void {
    const nowMs = this.#clock.nowMs();
    for (const [digest, { endsAtMs }] of this.#codes) if (endsAtMs <= nowMs) this.#codes.delete(digest);
    for (const [digest, { endsAtMs }] of this.#sessions) if (endsAtMs <= nowMs) this.#sessions.delete(digest);
  }
}
