// One Start or Connect stream over a socket of its own (HTTP/1.1, Connect's binary format). Cheap
// enough for hundreds of clients at once, and able to do what libraries cannot: stop reading, and
// vanish at any byte.

import { connect, type Socket } from "node:net";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { onTestFinished, TestRunner } from "vitest";
import {
  ConnectRequestSchema,
  type ProcessEvent_EndEvent,
  StartRequestSchema,
} from "../../../src/gen/process_pb.ts";
import { envelope } from "./envelopes.ts";
import { streamResponse } from "./response-parts.ts";
import { type Gap, type Output, type OutputName, StreamEvents } from "./stream-events.ts";

export interface StreamOptions {
  /**
   * Called with each piece of output as it arrives. An exception fails every wait of this client.
   */
  readonly onData?: (data: Uint8Array, name: OutputName) => void;
  /** The time limit of each wait. Default: 60 s, for busy machines. */
  readonly deadlineMs?: number;
}

/** The content of a stream that ended cleanly. */
export interface EndedStream {
  /** The kinds of its events in order; adjacent data events count as one. */
  readonly events: readonly string[];
  readonly end: ProcessEvent_EndEvent | undefined;
  readonly output: Readonly<Partial<Record<OutputName, Output>>>;
}

export function startStream(
  port: number,
  request: MessageInitShape<typeof StartRequestSchema>,
  options?: StreamOptions,
): StreamClient {
  const message = toBinary(StartRequestSchema, create(StartRequestSchema, request));
  return new StreamClient(port, "Start", message, options);
}

/** `more` holds the fields other than the process. */
export function connectStream(
  port: number,
  pid: number,
  options?: StreamOptions,
  more: Pick<MessageInitShape<typeof ConnectRequestSchema>, "fromOffset" | "lag" | "offsets"> = {},
): StreamClient {
  const process = { selector: { case: "pid", value: pid } } as const;
  const request = create(ConnectRequestSchema, { process, ...more });
  return new StreamClient(port, "Connect", toBinary(ConnectRequestSchema, request), options);
}

/**
 * Made by the functions above. Disconnected when the test that opened it is finished. Every wait
 * fails with the state.
 */
export class StreamClient {
  readonly #socket: Socket;
  readonly #method: string;
  readonly #deadlineMs: number;
  readonly #received: StreamEvents;
  readonly #waiting = new Set<() => void>();
  #state: "open" | "ended" | "closed" | Error = "open";

  constructor(
    port: number,
    method: "Start" | "Connect",
    message: Uint8Array,
    { onData, deadlineMs = 60_000 }: StreamOptions = {},
  ) {
    this.#method = method;
    this.#deadlineMs = deadlineMs;
    this.#received = new StreamEvents(onData);
    this.#socket = connect({ port, host: "127.0.0.1", noDelay: true });
    const response = streamResponse(
      (flags, data) => this.#received.pushEnvelope(flags, data),
      () => this.#settle(this.#received.isComplete ? "ended" : new Error("no end of the stream")),
    );
    this.#socket
      .on("data", (bytes) => this.#receive(() => response.push(bytes)))
      .on("error", (error) => this.#settle(error))
      .on("close", () => this.#settle("closed"));
    this.#socket.write(requestBytes(method, message));
    if (TestRunner.getCurrentTest() !== undefined) onTestFinished(() => void this.#socket.destroy());
  }

  /** The port of our end of the connection. */
  get port(): number {
    return this.#socket.localPort ?? 0;
  }

  /** Bytes of output in complete data events so far. */
  get bytes(): number {
    return this.#received.bytes;
  }

  /** Resolves with the pid of the start event. */
  async started(): Promise<number> {
    await this.until("start event", () => this.#received.pid !== undefined);
    return this.#received.pid ?? 0;
  }

  /** Where it starts: the offset of the start event. For streams with offsets. */
  get startOffset(): number {
    return this.#received.startOffset;
  }

  /** The gaps that it was sent. */
  get gaps(): readonly Gap[] {
    return this.#received.gaps;
  }

  /** Resolves when `bytes` of output have arrived since the stream began. */
  async received(bytes: number): Promise<void> {
    await this.until(`${bytes} bytes`, () => this.bytes >= bytes);
  }

  /**
   * Resolves when the response has ended cleanly. Rejects if it was cut, or ended with an error.
   */
  async ended(): Promise<EndedStream> {
    await this.until("clean end", () => this.#state === "ended");
    return { events: this.#received.kinds, end: this.#received.end, output: this.#received.outputs() };
  }

  /** Resolves when `look` is true, now or after an arrival. Rejects when the stream ends before. */
  until(what: string, look: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (act: () => void) => {
        clearTimeout(deadline);
        this.#waiting.delete(check);
        act();
      };
      const check = () => {
        if (look()) settle(resolve);
        else if (this.#state !== "open") settle(() => reject(this.#failure(`no ${what}`)));
      };
      const deadline = setTimeout(
        () => settle(() => reject(this.#failure(`no ${what} within ${this.#deadlineMs} ms`))),
        this.#deadlineMs,
      );
      this.#waiting.add(check);
      check();
    });
  }

  /** Stops reading: the kernel's buffers fill, then the agent's window. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Leaves: `close` ends the connection, `reset` drops it as a lost machine does. */
  cut(how: "close" | "reset"): void {
    if (how === "reset") this.#socket.resetAndDestroy();
    else this.#socket.destroy();
  }

  #receive(parse: () => void): void {
    if (this.#state !== "open") return;
    try {
      parse();
    } catch (error) {
      this.#settle(error instanceof Error ? error : new Error(String(error)));
    }
    this.#look();
  }

  /** The first call decides. After an end or an error the socket is closed here. */
  #settle(state: "ended" | "closed" | Error): void {
    if (this.#state !== "open") return;
    this.#state = state;
    this.#socket.destroy();
    this.#look();
  }

  #look(): void {
    for (const look of [...this.#waiting]) look();
  }

  #failure(what: string): Error {
    const { kinds, pid, bytes } = this.#received;
    const isError = this.#state instanceof Error;
    const state = this.#state instanceof Error ? this.#state.message : this.#state;
    const description = JSON.stringify({ state, pid, kinds, bytes, isPaused: this.#socket.isPaused() });
    return new Error(`${what}: ${this.#method} ${description}`, isError ? { cause: this.#state } : {});
  }
}

function requestBytes(method: string, message: Uint8Array): Buffer {
  const body = envelope(message);
  const head =
    `POST /process.Process/${method} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/connect+proto\r\n` +
    `Connect-Protocol-Version: 1\r\nContent-Length: ${body.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), body]);
}
