// The processes of a table in the order of their last changes. List answers a client that polls from its end, so an
// answer costs what has changed, however many processes there are. A change is one of anything that List shows, except
// time that passes.
//
// A process that writes changes with each chunk. Until a client has asked, its further changes are none: `changed` then
// compares two numbers.

/** The values that a selector and a token look at. They are kept when the process is forgotten. */
export interface ListedProcess {
  readonly pid: number;
  readonly processId: string;
  readonly request: { readonly tag?: string | undefined };
}

export interface Change<Item extends ListedProcess> {
  readonly listed: ListedProcess;
  /** Undefined once it is forgotten. */
  readonly process: Item | undefined;
}

/** A client that missed more processes that were forgotten than this receives a complete list. */
const MAX_FORGOTTEN = 1024;

export class ChangeOrder<Item extends ListedProcess> {
  #newest: ChangeMark<Item> | undefined;
  #last = 0;
  #askedAt = 0;
  /** Oldest first. */
  readonly #forgotten: ChangeMark<Item>[] = [];
  /** Of those that were dropped from this list, the last number. */
  #droppedTo = 0;

  /** The number of the last change. */
  get last(): number {
    return this.#last;
  }

  /** The number of the last change that a client may have seen. */
  get askedAt(): number {
    return this.#askedAt;
  }

  /** Each process that changed after the change `number`, the newest first. Undefined if the order does not reach back so far. */
  since(number: number): Change<Item>[] | undefined {
    this.#askedAt = this.#last;
    if (number < this.#droppedTo) return undefined;
    const changes: Change<Item>[] = [];
    for (let mark = this.#newest; mark !== undefined && mark.number > number; mark = mark.older)
      changes.push(mark);
    return changes;
  }

  /** Lists the process of a new mark. */
  add(mark: ChangeMark<Item>): void {
    this.#toFront(mark);
  }

  /** The process is forgotten. Its mark reports no further change. */
  remove(mark: ChangeMark<Item>): void {
    this.#unlink(mark);
    // Another mark: the process may still be in use, and this order must not keep it.
    const trace = new ChangeMark(this, mark.listed);
    this.#toFront(trace);
    this.#forgotten.push(trace);
    if (this.#forgotten.length <= MAX_FORGOTTEN) return;
    const dropped = this.#forgotten.shift();
    if (dropped === undefined) return;
    this.#droppedTo = dropped.number;
    this.#unlink(dropped);
  }

  moveToFront(mark: ChangeMark<Item>): void {
    this.#unlink(mark);
    this.#toFront(mark);
  }

  #toFront(mark: ChangeMark<Item>): void {
    mark.number = ++this.#last;
    mark.older = this.#newest;
    if (this.#newest !== undefined) this.#newest.newer = mark;
    this.#newest = mark;
  }

  #unlink(mark: ChangeMark<Item>): void {
    const { newer, older } = mark;
    if (this.#newest === mark) this.#newest = older;
    if (newer !== undefined) newer.older = older;
    if (older !== undefined) older.newer = newer;
    mark.number = UNLISTED;
    mark.newer = undefined;
    mark.older = undefined;
  }
}

/** Higher than the number of any change: `changed` does nothing. */
const UNLISTED = Number.POSITIVE_INFINITY;

/** The place of one process in the order. It has none before `ChangeOrder.add` and after `remove`. */
export class ChangeMark<Item extends ListedProcess> implements Change<Item> {
  readonly #order: ChangeOrder<Item>;
  readonly listed: ListedProcess;
  readonly process: Item | undefined;
  /** Of its last change that a client may not have seen, or of an earlier one. */
  number = UNLISTED;
  newer: ChangeMark<Item> | undefined;
  older: ChangeMark<Item> | undefined;

  /** Without `process`, it is the trace of a forgotten one. */
  constructor(order: ChangeOrder<Item>, { pid, processId, request }: ListedProcess, process?: Item) {
    this.#order = order;
    this.listed = { pid, processId, request: { tag: request.tag } };
    this.process = process;
  }

  /** Something has changed that List shows. */
  changed(): void {
    if (this.number > this.#order.askedAt) return;
    this.#order.moveToFront(this);
  }
}
