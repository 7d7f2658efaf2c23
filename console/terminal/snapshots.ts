// The screens that survive a reload: for each terminal of this tab its screen with scrollback, and the offset
// of the output that it shows. sessionStorage holds about 5 MB for a tab, so the oldest go when it is full.

export interface Snapshot {
  /** Of the next byte of output, behind what the screen shows. */
  readonly offset: number;
  readonly generation?: string | undefined;
  readonly cols: number;
  readonly rows: number;
  /** The output that brings a new terminal of this size to the same screen. */
  readonly screen: string;
  readonly takenAtMs: number;
}

/** The part of Storage that is used. */
export interface SnapshotStorage {
  readonly length: number;
  key(index: number): string | null;
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

const PREFIX = "holdfast.screen.";
const MAX_SCREEN_CHARACTERS = 1024 * 1024;

export function loadSnapshot(storage: SnapshotStorage, processId: string): Snapshot | undefined {
  const text = storage.getItem(PREFIX + processId);
  if (text === null) return undefined;
  try {
    const value = JSON.parse(text) as Snapshot;
    return typeof value.offset === "number" && typeof value.screen === "string" ? value : undefined;
  } catch {
    // Written by another version: as if there were none.
    return undefined;
  }
}

/** False if it alone is larger than the room for all. */
export function storeSnapshot(storage: SnapshotStorage, processId: string, snapshot: Snapshot): boolean {
  const text = JSON.stringify(snapshot);
  for (;;) {
    try {
      storage.setItem(PREFIX + processId, text);
      return true;
    } catch {
      // The storage is full.
      const oldest = oldestKey(storage, PREFIX + processId);
      if (oldest === undefined) return false;
      storage.removeItem(oldest);
    }
  }
}

function oldestKey(storage: SnapshotStorage, except: string): string | undefined {
  const keys = Array.from({ length: storage.length }, (_, index) => storage.key(index) ?? "");
  const taken = (key: string) => loadSnapshot(storage, key.slice(PREFIX.length))?.takenAtMs ?? 0;
  return keys
    .filter((key) => key.startsWith(PREFIX) && key !== except)
    .sort((a, b) => taken(a) - taken(b))[0];
}

/**
 * The screen with as much scrollback as fits: `serialize` makes the text with the given number of lines of
 * scrollback.
 */
export function fittingScreen(serialize: (scrollback: number) => string, lines: number): string {
  for (let scrollback = lines; ; scrollback = Math.floor(scrollback / 2)) {
    const screen = serialize(scrollback);
    if (screen.length <= MAX_SCREEN_CHARACTERS || scrollback === 0) return screen;
  }
}
