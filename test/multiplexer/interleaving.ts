// Runs a list of steps against real multiplexers under one budget, each with its model
// (modelled-multiplexer.ts). Steps are plain data, so that a failure that fast-check prints can become a
// fixed case.

import assert from "node:assert/strict";
import { MemoryBudget, type OutputStream } from "../../src/multiplexer/index.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { type Attached, ModelledMultiplexer, restOfBuffer, type Settings } from "./modelled-multiplexer.ts";

/** A subscriber: the nth of all so far (modulo their number), or in a callback the one that is called. */
export type Who = number | "self";

export type Step =
  | { readonly do: "push"; readonly on: number; readonly stream: OutputStream; readonly bytes: number }
  | {
      readonly do: "fork";
      readonly on: number;
      /** In thousandths of the head; above 1000, as many bytes beyond it. */
      readonly from?: number | undefined;
      readonly isObserver?: boolean;
      /** The actions of the new subscriber each time it is woken, and when it is disconnected. */
      readonly onReadable: readonly Step[];
      readonly onCut?: readonly Step[];
    }
  | { readonly do: "read"; readonly who: Who }
  /** Reads until there is nothing, so that it waits. */
  | { readonly do: "readAll"; readonly who: Who }
  /** The same, and receives it. */
  | { readonly do: "takeAll"; readonly who: Who }
  | { readonly do: "delivered"; readonly who: Who }
  | { readonly do: "progress"; readonly who: Who }
  | { readonly do: "detach"; readonly who: Who }
  | { readonly do: "finish"; readonly on: number }
  | { readonly do: "release"; readonly on: number }
  | { readonly do: "advance"; readonly ms: number };

export interface Setting {
  readonly budgetBytes: number;
  readonly multiplexers: readonly Settings[];
}

export function runInterleaving(setting: Setting, steps: readonly Step[]): void {
  const run = new Interleaving(setting);
  for (const step of steps) run.step(step);
  run.readOut();
}

/** How often a step may push within callbacks: such a push wakes subscribers that push in turn. */
const NESTED_PUSHES = 4;

class Interleaving {
  readonly #budgetBytes: number;
  readonly #budget: MemoryBudget;
  readonly #clock = new FakeClock();
  readonly #multiplexers: readonly ModelledMultiplexer[];
  /** Every subscriber so far. */
  readonly #forks: Attached[] = [];
  /** The bytes that the budget held when the step began, all that were pushed since, and what their buffers may add. */
  #mostHeld = 0;
  #depth = 0;
  #nestedPushes = 0;

  constructor({ budgetBytes, multiplexers }: Setting) {
    this.#budgetBytes = budgetBytes;
    this.#budget = new MemoryBudget(budgetBytes);
    const world = {
      budget: this.#budget,
      clock: this.#clock,
      isPressed: () => this.#mostHeld >= budgetBytes || this.#budget.isSpent,
      onPush: (bytes: number) => {
        this.#mostHeld += bytes;
      },
      mayPushWithin: () => this.#nestedPushes++ < NESTED_PUSHES,
    };
    this.#multiplexers = multiplexers.map((settings) => new ModelledMultiplexer(settings, world));
  }

  step(step: Step): void {
    this.#mostHeld = this.#budget.isSpent ? this.#budgetBytes : this.#budget.heldBytes;
    // Delivered output is merged in other buffers.
    for (const { real } of this.#multiplexers) this.#mostHeld += restOfBuffer(real.heldBytes);
    this.#nestedPushes = 0;
    this.#take(step);
    for (const multiplexer of this.#multiplexers) multiplexer.check();
    this.#checkBudget();
  }

  /** Ends all and lets every subscriber, and a late one, read to the end. */
  readOut(): void {
    for (const on of this.#multiplexers.keys()) this.step({ do: "finish", on });
    // Only now: a wake-up by the finish of one may do anything to another.
    for (const on of this.#multiplexers.keys()) this.step({ do: "fork", on, onReadable: [] });
    // By index: a wake-up during the finish may have forked; all of them are read to the end.
    for (let who = 0; who < this.#forks.length; who++) {
      this.step({ do: "takeAll", who });
      this.step({ do: "delivered", who });
    }
    for (const multiplexer of this.#multiplexers) {
      const { model, isReleased } = multiplexer;
      if (!isReleased) assert.equal(model.delivered.firstOutside(0), model.head);
      for (const { deliveredTo } of model.places) assert.equal(deliveredTo, model.head);
      multiplexer.checkContent();
    }
    for (const on of this.#multiplexers.keys()) this.step({ do: "release", on });
    assert.equal(this.#budget.heldBytes, 0);
    assert.deepEqual(this.#clock.pendingMs, [], "a timer is left");
  }

  #take(step: Step, self?: Attached): void {
    this.#depth++;
    if (step.do === "advance") this.#clock.advance(step.ms);
    else if ("on" in step) this.#takeOn(step, this.#multiplexers[step.on % this.#multiplexers.length]);
    else {
      const who = step.who === "self" ? self : this.#forks[step.who % this.#forks.length];
      if (who !== undefined) this.#takeBy(step, who);
    }
    this.#depth--;
  }

  #takeOn(step: Extract<Step, { on: number }>, multiplexer: ModelledMultiplexer | undefined): void {
    if (multiplexer === undefined) return;
    if (step.do === "finish") multiplexer.finish();
    else if (step.do === "release") multiplexer.release();
    else if (step.do === "push") {
      if (this.#depth === 1 || this.#nestedPushes++ < NESTED_PUSHES)
        multiplexer.push(step.stream, step.bytes);
    } else if (!multiplexer.isReleased) {
      const { from, isObserver = false, onReadable, onCut = [] } = step;
      const { head } = multiplexer.model;
      const react = (reactions: readonly Step[]) => (self: Attached) => {
        for (const reaction of reactions) this.#take(reaction, self);
      };
      const place =
        from === undefined ? undefined : from > 1000 ? head + from - 1000 : Math.floor((head * from) / 1000);
      const attached = multiplexer.fork(place, isObserver, react(onReadable), react(onCut));
      if (attached !== undefined) this.#forks.push(attached);
    }
  }

  #takeBy(step: Extract<Step, { who: Who }>, who: Attached): void {
    const { of } = who;
    if (step.do === "detach") of.detach(who);
    else if (!of.isAttached(who)) assert.throws(() => who.subscriber.read(), /detached/);
    else if (step.do === "delivered") of.delivered(who);
    else if (step.do === "progress") of.progress(who);
    else if (step.do === "read") of.read(who);
    else
      for (let found = of.read(who); found === "chunk" || found === "gap"; found = of.read(who)) {
        if (step.do === "takeAll") of.delivered(who);
        if (!of.isAttached(who)) return;
      }
  }

  #checkBudget(): void {
    const held = this.#multiplexers.reduce((sum, { real }) => sum + real.memoryBytes, 0);
    assert.equal(this.#budget.heldBytes, held, "the budget's sum");
    if (held >= this.#budgetBytes) assert.ok(this.#budget.isSpent, "over the budget, and not spent");
    if (held <= (this.#budgetBytes * 7) / 8) assert.ok(!this.#budget.isSpent, "spent, with an eighth free");
  }
}
