// Random sequences of calls by several named clients, compared with the reference model, so cheap that a
// million run in a test: every chunk is the same 32 KiB buffer, which the window keeps by reference.
// Clients leave and return with and without offsets, observers come and go, other processes press the
// budget. In every fourth sequence a second multiplexer receives the same calls without the observers,
// and must do the same (rule 13).

import { CHUNK_OVERHEAD_BYTES, KEEP_BY_REFERENCE_BYTES } from "../../src/multiplexer/chunk-queue.ts";
import {
  type BudgetShare,
  chunkEnd,
  type DetachedMode,
  MemoryBudget,
  Multiplexer,
  offset,
  type Subscriber,
} from "../../src/multiplexer/index.ts";
import { describedState } from "./described-state.ts";
import { type Bounds, type Place, ReferenceModel } from "./reference-model.ts";

const UNIT = KEEP_BY_REFERENCE_BYTES;
const UNIT_COST = UNIT + CHUNK_OVERHEAD_BYTES;
const STEPS = 16;
const data = Buffer.alloc(UNIT);
const end = { end: "of the process" };
const still = {
  nowMs: () => 0,
  startTimer: () => ({
    cancel: () => {
      // Time stands still: multiplexer-model.test.ts covers stalls.
    },
  }),
};

const windows = [UNIT_COST, 2 * UNIT_COST, 4 * UNIT_COST];
const replays = [0, UNIT, 3 * UNIT];
const modes: readonly DetachedMode[] = [
  { kind: "block" },
  { kind: "buffer", bytes: 2 * UNIT },
  { kind: "buffer", bytes: 5 * UNIT },
  { kind: "ring" },
];
const budgets = [8 * UNIT_COST, 1000 * UNIT_COST];

/** One named client, or observer: attached now and then. */
interface Client {
  readonly isObserver: boolean;
  /** Where its last stream was; it resumes from there when it uses offsets. */
  position: number;
  attached: Attached | undefined;
}

interface Attached {
  readonly place: Place;
  readonly real: Subscriber<object>;
  readonly twin: Subscriber<object> | undefined;
}

/** Throws with the seed and the steps when a multiplexer does not do what the model says. */
export function runSequence(seed: number): void {
  const sequence = new Sequence(seed);
  try {
    sequence.run();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`sequence ${seed}: ${reason}\n${sequence.history.join("\n")}`, { cause: error });
  }
}

class Sequence {
  readonly history: string[] = [];
  readonly #random: (below: number) => number;
  readonly #bounds: Bounds;
  readonly #model: ReferenceModel;
  readonly #budget: MemoryBudget;
  readonly #real: Multiplexer<object>;
  readonly #twin: Multiplexer<object> | undefined;
  readonly #neighbours: readonly BudgetShare[];
  readonly #budgetBytes: number;
  readonly #clients: readonly Client[] = [false, false, false, true, true].map((isObserver) => ({
    isObserver,
    position: 0,
    attached: undefined,
  }));
  #hasBegun = false;
  #isPressed = false;
  readonly #checksReports: boolean;
  #described = "";
  #hasReported = false;

  constructor(seed: number) {
    this.#random = randomFrom(seed);
    this.#bounds = {
      windowBytes: this.#oneOf(windows),
      replayBytes: this.#oneOf(replays),
      detached: this.#oneOf(modes),
    };
    this.#budgetBytes = this.#oneOf(budgets);
    this.#model = new ReferenceModel(this.#bounds);
    const [budget, twinBudget] = [new MemoryBudget(this.#budgetBytes), new MemoryBudget(this.#budgetBytes)];
    this.#budget = budget;
    this.#checksReports = seed % 16 === 1;
    this.#real = this.#create(budget, () => {
      this.#hasReported = true;
    });
    this.#twin = seed % 4 === 0 ? this.#create(twinBudget) : undefined;
    this.#neighbours = [budget.join({}), twinBudget.join({})];
    this.history.push(`${JSON.stringify(this.#bounds)}, budget ${this.#budgetBytes}`);
  }

  run(): void {
    for (let step = 0; step < STEPS; step++) {
      this.#step();
      this.#check();
    }
    this.#readOut();
    this.#real.checkInvariants();
  }

  #step(): void {
    this.#look();
    const client = this.#oneOf(this.#clients);
    const choice = this.#random(20);
    if (choice < 6) this.#push();
    else if (choice < 9) this.#read(client);
    else if (choice < 11) this.#deliver(client);
    else if (choice < 14) this.#pump(client);
    else if (choice < 16) this.#detach(client);
    else if (choice < 18) this.#attach(client);
    else if (choice === 18) this.#visit();
    else this.#press();
  }

  #push(): void {
    // A producer obeys the gate; it still pushes the chunk that it has when the gate closes.
    if (!this.#real.isReading && this.#random(4) > 0) return;
    this.#note("push");
    this.#model.push("stdout", UNIT, 0);
    this.#real.push("stdout", data);
    this.#twin?.push("stdout", data);
  }

  #attach(client: Client): void {
    if (client.attached !== undefined) return;
    const choice = this.#random(4);
    // Without an offset, at the last position, inside what was in flight, or anywhere.
    if (choice === 0) this.#fork(client, undefined);
    else if (choice < 3) this.#fork(client, client.position);
    else this.#fork(client, this.#anywhere());
  }

  /** Another client looks in and leaves. */
  #visit(): void {
    const visitor: Client = { isObserver: false, position: 0, attached: undefined };
    this.#fork(visitor, this.#anywhere());
    this.#detach(visitor);
  }

  #fork(client: Client, from: number | undefined): void {
    this.#note(`fork ${this.#nameOf(client)} ${from === undefined ? "without offset" : `at ${from / UNIT}`}`);
    const { isObserver } = client;
    this.#look();
    const place = this.#model.fork(from, isObserver, 0);
    const fork = { from: from === undefined ? undefined : offset(from), isObserver, onReadable: nothing };
    const real = this.#real.fork(fork);
    const twin = isObserver ? undefined : this.#twin?.fork(fork);
    if (!isObserver) this.#hasBegun = true;
    if (real.start !== place.start) throw new Error(`begins at ${real.start}, due is ${place.start}`);
    if (twin !== undefined && twin.start !== real.start) throw new Error(`the twin begins at ${twin.start}`);
    client.attached = { place, real, twin };
  }

  #read(client: Client): boolean {
    const { attached } = client;
    if (attached === undefined) return false;
    this.#note(`read ${this.#nameOf(client)}`);
    const { place, real, twin } = attached;
    this.#look();
    const mostBytes = this.#random(4) === 0 ? UNIT * (1 + this.#random(2)) : undefined;
    const read = real.read(mostBytes);
    const twinRead = twin?.read(mostBytes);
    if (twinRead !== undefined && twinRead.kind !== read.kind)
      throw new Error(`the twin reads ${twinRead.kind}`);
    if (read.kind === "chunk") {
      if (read.chunk.offset !== place.readTo)
        throw new Error(`read ${read.chunk.offset}, due is ${place.readTo}`);
      if (read.chunk.data.length > (mostBytes ?? Number.POSITIVE_INFINITY))
        throw new Error(`read ${read.chunk.data.length} bytes, asked for ${mostBytes}`);
      place.readTo = chunkEnd(read.chunk);
    } else if (read.kind === "gap") {
      const { from, to } = read;
      if (from !== place.readTo || to <= from) throw new Error(`a gap from ${from} to ${to}`);
      if (!this.#model.droppable.contains(from, to))
        throw new Error(`lost ${from} to ${to}, may drop ${this.#model.droppable}`);
      place.readTo = to;
    } else if (place.readTo !== this.#model.head || (read.kind === "end") !== this.#model.ended) {
      throw new Error(`read ${read.kind} at ${place.readTo} of ${this.#model.head}`);
    }
    // A frame in flight may arrive, or not.
    client.position = this.#random(2) === 0 ? place.readTo : place.deliveredTo;
    return read.kind === "chunk" || read.kind === "gap";
  }

  #deliver(client: Client): void {
    const { attached } = client;
    if (attached === undefined) return;
    this.#note(`deliver ${this.#nameOf(client)}`);
    this.#look();
    this.#model.deliver(attached.place, 0);
    attached.real.delivered();
    attached.twin?.delivered();
    client.position = attached.place.deliveredTo;
  }

  #pump(client: Client): void {
    while (this.#read(client)) this.#deliver(client);
  }

  #detach(client: Client): void {
    const { attached } = client;
    if (attached === undefined) return;
    this.#note(`detach ${this.#nameOf(client)}`);
    this.#look();
    this.#model.detach(attached.place);
    attached.real.detach();
    attached.twin?.detach();
    client.attached = undefined;
  }

  /** Another process fills the budget, or leaves it. */
  #press(): void {
    this.#isPressed = !this.#isPressed;
    this.#note(this.#isPressed ? "press" : "relieve");
    for (const neighbour of this.#neighbours) neighbour.report(this.#isPressed ? this.#budgetBytes : 0);
  }

  /** Everything not delivered, and not allowed to be lost, reaches a client. */
  #readOut(): void {
    this.#look();
    this.#note("finish");
    this.#model.ended = true;
    this.#real.finish(end);
    this.#twin?.finish(end);
    this.#look();
    for (const client of this.#clients) this.#pump(client);
    const last: Client = { isObserver: false, position: 0, attached: undefined };
    this.#fork(last, undefined);
    this.#pump(last);
    if (this.#model.delivered.firstOutside(0) !== this.#model.head)
      throw new Error(`delivered at the end: ${this.#model.delivered}`);
    this.#check();
  }

  #check(): void {
    this.#look();
    const [model, real, twin] = [this.#model, this.#real, this.#twin];
    if (real.head !== model.head) throw new Error(`the head is ${real.head}`);
    if (real.attachOffset !== model.attachOffset)
      throw new Error(`the next client begins at ${real.attachOffset}, due is ${model.attachOffset}`);
    if (!model.droppable.contains(0, real.oldest))
      throw new Error(`dropped to ${real.oldest}, may drop ${model.droppable}`);
    if (!this.#mayGateBe(real.isReading)) throw new Error(`the gate is ${real.isReading}`);
    if (real.heldBytes > model.mostCost(real.oldest)) throw new Error(`${real.heldBytes} held`);
    if (this.#checksReports) this.#checkReport();
    if (twin === undefined) return;
    const differs = twin.isReading !== real.isReading || twin.heldBytes !== real.heldBytes;
    if (differs || twin.oldest !== real.oldest || twin.attachOffset !== real.attachOffset)
      throw new Error(`an observer has influence: ${twin.isReading} ${twin.heldBytes} ${twin.oldest}`);
  }

  #mayGateBe(isReading: boolean): boolean {
    const { windowBytes, detached } = this.#bounds;
    const { isSpent } = this.#budget;
    const model = this.#model;
    if (model.ended || !this.#hasBegun) return !isReading;
    if (!model.isDetached) {
      const { least } = model.heldFrom(model.needed);
      const isCaughtUp = model.slowest === model.head;
      return isReading ? least < windowBytes : !isCaughtUp;
    }
    if (detached.kind === "block" || isSpent) return !isReading;
    if (detached.kind === "ring") return isReading;
    const { least, most } = model.undelivered;
    return isReading ? least < detached.bytes : most >= detached.bytes;
  }

  #checkReport(): void {
    const described = describedState(this.#real);
    if (described !== this.#described && this.#described !== "" && !this.#hasReported)
      throw new Error(`an unreported change: ${this.#described} to ${described}`);
    this.#described = described;
    this.#hasReported = false;
  }

  #look(): void {
    this.#model.oldest = this.#real.oldest;
    // The push before this call may have spent the budget, and what was dropped may have made room again.
    const isClose = this.#budget.heldBytes + UNIT_COST >= this.#budgetBytes * (5 / 8);
    if (isClose || this.#budget.isSpent || this.#isPressed) this.#model.press();
  }

  /** A multiple of half a chunk. */
  #anywhere(): number {
    return this.#random((2 * this.#model.head) / UNIT + 1) * (UNIT / 2);
  }

  #create(budget: MemoryBudget, onChange = nothing): Multiplexer<object> {
    const report = { onReading: nothing, onChange };
    return new Multiplexer({ ...this.#bounds, budget, stallMs: 1_000, clock: still, ...report });
  }

  #oneOf<T>(choices: readonly T[]): T {
    return choices[this.#random(choices.length)] as T;
  }

  #nameOf(client: Client): string {
    const index = this.#clients.indexOf(client);
    return index < 0 ? "visitor" : (["A", "B", "C", "observer D", "observer E"][index] ?? "");
  }

  #note(step: string): void {
    this.history.push(step);
  }
}

function nothing(): void {
  // The sequence reads when it is its turn.
}

/** Mulberry32: returns integers below a bound. */
function randomFrom(seed: number): (below: number) => number {
  let state = (seed * 2_654_435_761) >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}
