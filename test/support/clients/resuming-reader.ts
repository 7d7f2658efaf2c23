// Reads one process to its end over connections that break: starts it with a start_id, and resumes
// by process_id and from_offset at its own offset. It uses nothing of src/client: the wire promises
// this to every client.

import { randomUUID } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import {
  type ConnectResponse,
  Process,
  type ProcessEvent_EndEvent,
  type StartRequestSchema,
  type StartResponse,
} from "../../../src/gen/process_pb.ts";
import type { CuttingProxy } from "../network/cutting-proxy.ts";
import { type PlacedEvent, placedEvents } from "./placed-events.ts";
import type { OutputName } from "./stream-events.ts";
import type { TransportKind } from "./transports.ts";

export interface ResumingReaderOptions {
  readonly proxy: CuttingProxy;
  /** Used in turn, a new one for each connection. */
  readonly transports: readonly TransportKind[];
  readonly start: MessageInitShape<typeof StartRequestSchema>;
  /**
   * Called with all output, in order. If it throws, `read` rejects with that error. After a gap
   * `read` rejects as well.
   */
  readonly onData: (data: Uint8Array, name: OutputName) => void;
  /**
   * At a cut, decides how much of the last frame still counts as received, so that resumes happen
   * at any byte, not only between frames.
   */
  readonly random: () => number;
  /** Called after each cut, before the next connection is made. */
  readonly whileAway: (processId: string | undefined) => Promise<void>;
}

type DataEvent = PlacedEvent & { readonly kind: "data" };

/**
 * Errors that no cut may cause: the agent has lost something, or has mistaken this client for
 * another.
 */
const UNACCEPTABLE = new Set([
  Code.OutOfRange,
  Code.NotFound,
  Code.AlreadyExists,
  Code.FailedPrecondition,
  Code.DeadlineExceeded,
  Code.Unimplemented,
]);

export class ResumingReader {
  readonly #options: ResumingReaderOptions;
  readonly #startId = randomUUID();
  #processId: string | undefined;
  #at = 0;
  /** The latest piece, which may still be lost in part. It starts at #at. */
  #last: DataEvent | undefined;
  #connections = 0;
  #cuts = 0;
  #attempt = new AbortController();

  constructor(options: ResumingReaderOptions) {
    this.#options = options;
    options.proxy.onCut((kind) => {
      this.#cuts++;
      // Otherwise the silence would be detected after many seconds, or never.
      if (kind === "silent") this.#attempt.abort();
    });
  }

  /** Reads until the end event and returns it. Call it once. */
  async read(): Promise<ProcessEvent_EndEvent> {
    for (;;) {
      const end = await this.#readUntilCut();
      if (end !== undefined) return end;
      await this.#options.whileAway(this.#processId);
    }
  }

  async #readUntilCut(): Promise<ProcessEvent_EndEvent | undefined> {
    const { proxy, transports } = this.#options;
    const cutsBefore = this.#cuts;
    this.#attempt = new AbortController();
    const kind = transports[this.#connections++ % transports.length];
    if (kind === undefined) throw new Error("no transports");
    const { transport, close } = kind.open(proxy.url);
    try {
      return await this.#follow(createClient(Process, transport));
    } catch (error) {
      if (error instanceof ConnectError && this.#isByCut(error, cutsBefore)) {
        this.#takeLast(this.#options.random());
        return undefined;
      }
      const place = `connection ${this.#connections} (${kind.name}), at ${this.#at}`;
      throw new Error(`${place}: ${String(error)}`, { cause: error });
    } finally {
      this.#attempt.abort();
      close();
    }
  }

  async #follow(client: Client<typeof Process>): Promise<ProcessEvent_EndEvent | undefined> {
    for await (const event of placedEvents(this.#open(client))) {
      this.#takeLast(1);
      if (event.kind === "end") return event.end;
      if (event.kind === "gap") throw new Error(`a gap from ${event.from} to ${event.to}`);
      if (event.kind === "start") {
        this.#processId ??= event.processId;
        const isSame = event.processId === this.#processId && event.offset === this.#at;
        if (!isSame)
          throw new Error(`wanted ${this.#processId} at ${this.#at}, got ${JSON.stringify(event)}`);
      } else {
        this.#last = event;
      }
    }
    return undefined;
  }

  #takeLast(part: number): void {
    if (this.#last === undefined) return;
    const { data, name } = this.#last;
    this.#last = undefined;
    const taken = data.subarray(0, Math.floor(data.length * part));
    this.#at += taken.length;
    this.#options.onData(taken, name);
  }

  /** Repeats the start until the process_id is known. */
  #open(client: Client<typeof Process>): AsyncIterable<StartResponse | ConnectResponse> {
    const options = { signal: this.#attempt.signal };
    if (this.#processId === undefined)
      return client.start({ ...this.#options.start, startId: this.#startId, offsets: true }, options);
    const process = { selector: { case: "processId" as const, value: this.#processId } };
    return client.connect({ process, fromOffset: BigInt(this.#at) }, options);
  }

  /**
   * On a slow machine the agent may disconnect us together with a stalled dead connection. The
   * error names our offset, which is fine.
   */
  #isByCut({ code }: ConnectError, cutsBefore: number): boolean {
    if (UNACCEPTABLE.has(code)) return false;
    return this.#cuts > cutsBefore || code === Code.ResourceExhausted;
  }
}
