// Streams of HTTP/2 that wait for their turn. A read can bring three thousand of them, and each is 12 KB of objects before
// its request is looked at (rule 14).

/** So many of each connection may wait even without room: a signal on a connection of its own is not refused. */
const FREE_PER_CONNECTION = 8;

/** Whether there is room for so many streams. Is called with each new number; a refused one does not count. */
export type HasRoom = (streams: number) => boolean;

export class WaitingStreams {
  readonly #hasRoom: HasRoom;
  readonly #byConnection = new WeakMap<object, number>();
  /** Those beyond the free ones of their connection. */
  #counted = 0;

  constructor(hasRoom: HasRoom = () => true) {
    this.#hasRoom = hasRoom;
  }

  /** Adds a stream of `connection`. The caller calls the result, once, when it waits no longer. Undefined if there is no room. */
  add(connection: object): (() => void) | undefined {
    const waiting = this.#byConnection.get(connection) ?? 0;
    const isFree = waiting < FREE_PER_CONNECTION;
    if (!isFree) {
      if (!this.#hasRoom(this.#counted + 1)) return undefined;
      this.#counted++;
    }
    this.#byConnection.set(connection, waiting + 1);
    return () => {
      this.#byConnection.set(connection, (this.#byConnection.get(connection) ?? 1) - 1);
      if (!isFree) this.#hasRoom(--this.#counted);
    };
  }
}
