// The rights of a token: its scopes, and the processes that it is limited to. Grants of the token
// file and of console sessions can end while their requests are being answered; each open request
// learns of that.

import { startTimer, type Timer } from "../../clock.ts";

/**
 * `observe`: List, Connect as an observer, metrics. `attach`: also Connect, input and size, and the signals of a keyboard.
 * `run`: Start as one of the users of the token, and nothing else. `admin`: everything.
 */
export const SCOPES = ["observe", "attach", "run", "admin"] as const;
export type Scope = (typeof SCOPES)[number];

export interface GrantOptions {
  /** For the log. Not a secret. */
  readonly id: string;
  /** Names the token with all its rights: the next image of the agent finds the grant by it, and another one never. */
  readonly key?: string | undefined;
  readonly scopes: readonly Scope[];
  /** process_ids and tags. Undefined: all processes. */
  readonly processes?: ReadonlySet<string> | undefined;
  /** With `run`: the users that its processes may run as. Undefined: every user. */
  readonly users?: ReadonlySet<string> | undefined;
  /** In how many milliseconds it ends. Undefined: never by itself. */
  readonly remainingMs?: (() => number) | undefined;
  /** It never ends and is never revoked, so nothing follows it. */
  readonly isPermanent?: boolean;
}

/** How long a timer runs at most: the clock that `remainingMs` uses may be set meanwhile. */
const MAX_TIMER_MS = 3_600_000;

export class Grant {
  readonly id: string;
  readonly key: string | undefined;
  readonly scopes: readonly Scope[];
  readonly processes: ReadonlySet<string> | undefined;
  readonly users: ReadonlySet<string> | undefined;
  readonly #remainingMs: (() => number) | undefined;
  readonly #isPermanent: boolean;
  readonly #followers = new Set<(reason: string) => void>();
  #timer: Timer | undefined;

  constructor({ id, key, scopes, processes, users, remainingMs, isPermanent = false }: GrantOptions) {
    this.id = id;
    this.key = key;
    this.scopes = scopes;
    this.processes = processes;
    this.users = users;
    this.#remainingMs = remainingMs;
    this.#isPermanent = isPermanent;
  }

  /** Whether it covers `scope`: admin includes all others, and attach includes observe. */
  covers(scope: Scope): boolean {
    return this.scopes.some((own) => own === scope || INCLUDED[own].includes(scope));
  }

  get hasExpired(): boolean {
    return this.#remainingMs !== undefined && this.#remainingMs() <= 0;
  }

  /** In milliseconds; undefined: it does not end by itself. */
  get remainingMs(): number | undefined {
    return this.#remainingMs?.();
  }

  /** Whether this token may know of a process. */
  sees({ processId, request }: SeenProcess): boolean {
    if (this.processes === undefined || this.processes.has(processId)) return true;
    return request.tag !== undefined && this.processes.has(request.tag);
  }

  /** Calls `follower` once if the grant ends before the returned function is called. */
  onEnd(follower: (reason: string) => void): () => void {
    if (this.#isPermanent) return nothing;
    this.#followers.add(follower);
    this.#watchTime();
    return () => {
      this.#followers.delete(follower);
      if (this.#followers.size > 0) return;
      this.#timer?.cancel();
      this.#timer = undefined;
    };
  }

  /** The token is no longer valid. */
  revoke(): void {
    this.#end("the access token was revoked");
  }

  #watchTime(): void {
    const remainingMs = this.#remainingMs?.();
    if (remainingMs === undefined || this.#timer !== undefined) return;
    this.#timer = startTimer(Math.min(Math.max(remainingMs, 0), MAX_TIMER_MS), () => {
      this.#timer = undefined;
      if (this.hasExpired) this.#end("the access token has expired");
      else this.#watchTime();
    });
  }

  #end(reason: string): void {
    const followers = [...this.#followers];
    this.#followers.clear();
    this.#timer?.cancel();
    this.#timer = undefined;
    for (const follower of followers) follower(reason);
  }
}

const INCLUDED: Readonly<Record<Scope, readonly Scope[]>> = {
  observe: [],
  attach: ["observe"],
  run: [],
  admin: SCOPES,
};

const nothing = () => undefined;

export interface SeenProcess {
  readonly processId: string;
  readonly request: { readonly tag?: string | undefined };
}

/** Of the access token, and of every client while the agent needs no token. */
export const FULL_GRANT = new Grant({ id: "access token", scopes: ["admin"], isPermanent: true });
