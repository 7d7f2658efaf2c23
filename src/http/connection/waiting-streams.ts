// Streams of HTTP/2 that wait for their turn. A read can bring three thousand of them, and each is 12 KB of objects before
// its request is looked at, and its headers (rule 14).

/** So many of each connection may wait even without room: a signal on a connection of its own is not refused. */
const FREE_PER_CONNECTION = 8;
/** Not with longer headers. */
const FREE_HEADER_BYTES = 4 * 1024;

/** Whether there is room for so many streams with so much text in their headers. A stream that is refused does not count. */
export type HasRoom = (streams: number, headerBytes: number) => boolean;

export class WaitingStreams {
  readonly #hasRoom: HasRoom;
  readonly #byConnection = new WeakMap<object, number>();
  /** Those beyond the free ones of their connection. */
  #counted = 0;
  #headerBytes = 0;

  constructor(hasRoom: HasRoom = () => true) {
    this.#hasRoom = hasRoom;
  }

  /** Adds a stream of `connection`. Call the result once, when the stream's turn has come. Undefined: there is no room. */
  add(connection: object, headerBytes: number): (() => void) | undefined {
    const waiting = this.#byConnection.get(connection) ?? 0;
    const isFree = waiting < FREE_PER_CONNECTION && headerBytes <= FREE_HEADER_BYTES;
    if (!isFree) {
      if (!this.#hasRoom(this.#counted + 1, this.#headerBytes + headerBytes)) return undefined;
      this.#counted++;
      this.#headerBytes += headerBytes;
    }
    this.#byConnection.set(connection, waiting + 1);
    return () => {
      this.#byConnection.set(connection, (this.#byConnection.get(connection) ?? 1) - 1);
      if (isFree) return;
      this.#headerBytes -= headerBytes;
      this.#hasRoom(--this.#counted, this.#headerBytes);
    };
  }
}
