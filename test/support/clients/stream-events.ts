// The events of one Start or Connect stream so far, in order, and the size and hash of each output.
// The output itself is not kept.

import { createHash, type Hash } from "node:crypto";
import { fromBinary } from "@bufbuild/protobuf";
import {
  type ProcessEvent,
  type ProcessEvent_EndEvent,
  StartResponseSchema,
} from "../../../src/gen/process_pb.ts";

export type OutputName = "stdout" | "stderr" | "pty";

export interface Output {
  readonly bytes: number;
  readonly sha256: string;
}

/** The bytes `[from, to)`. */
export interface Gap {
  readonly from: number;
  readonly to: number;
}

/** The flag of the envelope that ends a Connect stream. */
const END_STREAM = 2;

export class StreamEvents {
  /** Adjacent data events count as one. */
  readonly kinds: string[] = [];
  pid: number | undefined;
  startOffset = 0;
  end: ProcessEvent_EndEvent | undefined;
  readonly gaps: Gap[] = [];
  /** The total over all outputs. */
  bytes = 0;
  /** Whether Connect's last envelope arrived, without an error. */
  isComplete = false;
  readonly #outputs = new Map<OutputName, { bytes: number; readonly hash: Hash }>();
  readonly #onData: ((data: Uint8Array, name: OutputName) => void) | undefined;

  constructor(onData: ((data: Uint8Array, name: OutputName) => void) | undefined) {
    this.#onData = onData;
  }

  /** Throws at an invalid event, at an event after the last, and at an error. */
  pushEnvelope(flags: number, message: Buffer): void {
    if (this.isComplete) throw new Error("an envelope after the last");
    if (flags === END_STREAM) {
      const trailer = message.toString();
      if (trailer.includes('"error"')) throw new Error(`the stream ended with ${trailer}`);
      this.isComplete = true;
      return;
    }
    // ConnectResponse has the same shape.
    const { event } = fromBinary(StartResponseSchema, message);
    if (event === undefined) throw new Error("a message without an event");
    this.#push(event);
  }

  outputs(): Partial<Record<OutputName, Output>> {
    const entries = [...this.#outputs].map(([name, { bytes, hash }]) => {
      return [name, { bytes, sha256: hash.copy().digest("hex") }] as const;
    });
    return Object.fromEntries(entries);
  }

  #push({ event }: ProcessEvent): void {
    const kind = event.case ?? "unknown";
    if (kind !== "data" || this.kinds.at(-1) !== "data") this.kinds.push(kind);
    if (event.case === "start") {
      this.pid = event.value.pid;
      this.startOffset = Number(event.value.offset);
    }
    if (event.case === "gap") this.gaps.push({ from: Number(event.value.from), to: Number(event.value.to) });
    if (event.case === "end") this.end = event.value;
    if (event.case === "data" && event.value.output.case !== undefined)
      this.#pushOutput(event.value.output.case, event.value.output.value);
  }

  #pushOutput(name: OutputName, data: Uint8Array): void {
    const output = this.#outputs.get(name) ?? { bytes: 0, hash: createHash("sha256") };
    this.#outputs.set(name, output);
    output.bytes += data.length;
    output.hash.update(data);
    this.bytes += data.length;
    this.#onData?.(data, name);
  }
}
