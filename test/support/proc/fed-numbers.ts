// A fed shell that prints numbered lines in pieces of random size, alternating at random between
// stdout and stderr, and the check that all of them arrive. Every byte encodes its offset, so a
// lost or repeated byte is reported where it happens.

import { createHash, type Hash } from "node:crypto";
import type { Output, OutputName } from "../clients/stream-events.ts";
import { createFedShell, type FedShell } from "./fed-shell.ts";
import { LINE_BYTES, NumbersCheck, numbersCommand } from "./numbers.ts";

/** Far apart, so that the two streams share no bytes. */
const FIRST_LINE = { stdout: 0, pty: 0, stderr: 1_000_000_000 } as const;
const MAX_PIECE_LINES = 8000;

export class FedNumbers {
  readonly shell: FedShell = createFedShell();
  readonly #random: () => number;
  readonly #outputs: readonly FedOutput[];
  /** The total over all outputs. */
  fedBytes = 0;
  receivedBytes = 0;

  /** `random` decides the pieces and nothing else. */
  constructor(stdio: "pipes" | "pty", random: () => number) {
    this.#random = random;
    this.#outputs = (stdio === "pty" ? (["pty"] as const) : (["stdout", "stderr"] as const)).map(
      (name) => new FedOutput(name),
    );
  }

  /** Prints more, until the process is at least `bytes` ahead of what was received. */
  feedAhead(bytes: number): void {
    while (this.fedBytes - this.receivedBytes < bytes) {
      const output = this.#outputs[Math.floor(this.#random() * this.#outputs.length)];
      if (output === undefined) throw new Error("no outputs");
      // One line or a few are as likely as thousands.
      const lines = Math.floor(MAX_PIECE_LINES ** this.#random());
      this.shell.tell(output.nextCommand(lines));
      this.fedBytes += lines * LINE_BYTES;
    }
  }

  /** Throws at the first byte that is not the next byte of its output. */
  receive(name: OutputName, data: Uint8Array): void {
    const output = this.#outputs.find((one) => one.name === name);
    if (output === undefined) throw new Error(`output on ${name}`);
    output.receive(data);
    this.receivedBytes += data.length;
  }

  /** To compare with `shell.runDirectly`. */
  received(): Partial<Record<OutputName, Output>> {
    return Object.fromEntries(this.#outputs.map((output) => [output.name, output.received()]));
  }
}

class FedOutput {
  readonly name: OutputName;
  readonly #check: NumbersCheck;
  readonly #hash: Hash = createHash("sha256");
  #bytes = 0;
  #nextLine: number;

  constructor(name: OutputName) {
    this.name = name;
    this.#nextLine = FIRST_LINE[name];
    this.#check = new NumbersCheck(this.#nextLine * LINE_BYTES);
  }

  nextCommand(lines: number): string {
    const first = this.#nextLine;
    this.#nextLine += lines;
    return `${numbersCommand(lines, first)} >&${this.name === "stderr" ? 2 : 1}`;
  }

  receive(data: Uint8Array): void {
    this.#bytes += data.length;
    this.#hash.update(data);
    try {
      this.#check.push(data);
    } catch (error) {
      throw new Error(`${this.name}: ${String(error)}`, { cause: error });
    }
  }

  received(): Output {
    return { bytes: this.#bytes, sha256: this.#hash.copy().digest("hex") };
  }
}
