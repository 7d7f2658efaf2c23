// Which streams the windows of one browser may have open. A browser has six connections per origin
// for HTTP/1.1, and a request beyond them waits without an error. The windows tell each other their
// streams, and each decides alone. Two can decide at the same moment, and then one stream too many
// is open. The later window closes its stream. No I/O; time is an argument.

export interface BudgetMessage {
  readonly kind: "ask" | "holds" | "yield";
  /** The sender. */
  readonly page: string;
  readonly streams: number;
  /** When the sender opened its newest stream. */
  readonly since: number;
  /** Of `yield`: the page that should give up a stream. */
  readonly to?: string;
}

export interface BudgetOptions {
  readonly page: string;
  /** Of all windows together. */
  readonly limit: number;
  /** Of this window. */
  readonly pageLimit: number;
  readonly post: (message: BudgetMessage) => void;
  readonly now: () => number;
  /** Called when the streams of all windows have changed. */
  readonly onChange: () => void;
}

/** A wish for one stream. The calls come in turn: granted, revoked, granted, … */
export interface StreamWish {
  readonly onGranted: () => void;
  readonly onRevoked: () => void;
}

interface Slot extends StreamWish {
  since: number | undefined;
}

interface OtherPage {
  readonly streams: number;
  readonly since: number;
  readonly heardAt: number;
}

/** Pages repeat their streams this often. */
export const HEARTBEAT_MS = 2_000;
/** A page that is silent for this long is gone. Browsers delay the timers of covered windows to one in a second. */
const SILENT_MS = 10_000;

/** Longer than it takes to give up a stream and to say so. */
const STAND_BACK_MS = 1_000;

export class StreamBudget {
  readonly #options: BudgetOptions;
  readonly #slots = new Map<string, Slot>();
  readonly #others = new Map<string, OtherPage>();
  #mayGrant = false;
  #standBackUntil = 0;

  constructor(options: BudgetOptions) {
    this.#options = options;
  }

  /** Asks the other windows. Call `open` when they had time to answer. */
  begin(): void {
    this.#post("ask");
  }

  /** From here on streams are granted. */
  open(): void {
    this.#mayGrant = true;
    this.#settle();
  }

  /** A second wish with the same key replaces the first one. */
  want(key: string, wish: StreamWish): void {
    this.release(key);
    this.#slots.set(key, { ...wish, since: undefined });
    this.#settle();
  }

  /** The stream is closed, or no longer wanted. */
  release(key: string): void {
    const slot = this.#slots.get(key);
    if (!this.#slots.delete(key) || slot?.since === undefined) return;
    this.#post("holds");
    this.#settle();
  }

  /** Makes room for `key`: the window, here or elsewhere, whose newest stream is oldest gives one up. */
  takeOver(key: string): void {
    const slot = this.#slots.get(key);
    if (slot === undefined || slot.since !== undefined) return;
    // Ahead of all other wishes of this window.
    this.#slots.delete(key);
    const rest = [...this.#slots];
    this.#slots.clear();
    this.#slots.set(key, slot);
    for (const [name, other] of rest) this.#slots.set(name, other);
    const oldest = [...this.#others]
      .filter(([, { streams }]) => streams > 0)
      .sort(([, a], [, b]) => a.since - b.since)[0];
    if (this.#held >= this.#options.pageLimit || oldest === undefined) this.#revokeOldest(key);
    else this.#options.post({ ...this.#message("yield"), to: oldest[0] });
    this.#settle();
  }

  receive(message: BudgetMessage): void {
    const { page } = this.#options;
    if (message.page === page) return;
    if (message.kind === "yield") {
      // The place is for the sender: no other window that waits may take it.
      this.#standBackUntil = this.#options.now() + STAND_BACK_MS;
      if (message.to === page) this.#revokeOldest();
      return;
    }
    this.#others.set(message.page, {
      streams: message.streams,
      since: message.since,
      heardAt: this.#options.now(),
    });
    if (message.kind === "ask") this.#post("holds");
    this.#giveWay();
    this.#settle();
  }

  /** Call it each HEARTBEAT_MS. */
  beat(): void {
    const oldest = this.#options.now() - SILENT_MS;
    for (const [page, { heardAt }] of this.#others) if (heardAt < oldest) this.#others.delete(page);
    if (this.#held > 0) this.#post("holds");
    this.#settle();
  }

  /** The page is hidden for good. */
  close(): void {
    this.#slots.clear();
    this.#post("holds");
  }

  /** Of all windows. */
  get inUse(): number {
    return this.#held + [...this.#others.values()].reduce((sum, { streams }) => sum + streams, 0);
  }

  get #held(): number {
    return [...this.#slots.values()].filter(({ since }) => since !== undefined).length;
  }

  get #newest(): number {
    return Math.max(0, ...[...this.#slots.values()].map(({ since }) => since ?? 0));
  }

  #settle(): void {
    const { limit, pageLimit, now } = this.#options;
    for (const slot of this.#slots.values()) {
      if (!this.#mayGrant || now() < this.#standBackUntil || slot.since !== undefined) continue;
      if (this.inUse >= limit || this.#held >= pageLimit) break;
      slot.since = now();
      this.#post("holds");
      slot.onGranted();
    }
    this.#options.onChange();
  }

  /** After two windows took the last place at the same moment. */
  #giveWay(): void {
    const { limit, page } = this.#options;
    if (this.inUse <= limit || this.#held === 0) return;
    const since = this.#newest;
    const isLast = [...this.#others].every(
      ([other, row]) => row.streams === 0 || row.since < since || (row.since === since && other < page),
    );
    if (isLast) this.#revoke(([, a], [, b]) => (b.since ?? 0) - (a.since ?? 0));
  }

  #revokeOldest(except?: string): void {
    this.#revoke(([, a], [, b]) => (a.since ?? 0) - (b.since ?? 0), except);
  }

  #revoke(order: (a: [string, Slot], b: [string, Slot]) => number, except?: string): void {
    const [first] = [...this.#slots]
      .filter(([key, { since }]) => since !== undefined && key !== except)
      .sort(order);
    if (first === undefined) return;
    const [key, slot] = first;
    // Last in the row of wishes.
    this.#slots.delete(key);
    this.#slots.set(key, { ...slot, since: undefined });
    this.#post("holds");
    slot.onRevoked();
  }

  #post(kind: "ask" | "holds"): void {
    this.#options.post(this.#message(kind));
  }

  #message(kind: BudgetMessage["kind"]): BudgetMessage {
    return { kind, page: this.#options.page, streams: this.#held, since: this.#newest };
  }
}
