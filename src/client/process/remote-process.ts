// One attached process: its output, its input and its controls.

import { untilAbort } from "../abort.ts";
import { isBytes, typeName } from "../bytes.ts";
import { ClientError } from "../client-errors.ts";
import type { Output } from "../output/output.ts";
import type { Identity } from "../output/output-position.ts";
import type { AgentLink } from "../transport/connection.ts";
import type {
  CallOptions,
  Exit,
  OutputEvent,
  PtySize,
  RemoteProcess,
  SignalName,
  SignalOptions,
  TerminalState,
} from "../types.ts";
import { InputWriter } from "./input-writer.ts";
import { Resizer } from "./resizer.ts";
import { sendSignal } from "./send-signal.ts";

export class AttachedProcess implements RemoteProcess {
  readonly pid: number;
  readonly processId: string;
  readonly isPty: boolean;
  readonly terminal: TerminalState | undefined;
  readonly acceptsInput: boolean | undefined;
  readonly sameTag: number;
  readonly #link: AgentLink;
  readonly #output: Output;
  readonly #input: InputWriter;
  readonly #resizer: Resizer;

  constructor(link: AgentLink, output: Output, identity: Identity) {
    const { pid, processId, isPty } = identity;
    this.pid = pid;
    this.processId = processId;
    this.isPty = isPty;
    this.acceptsInput = identity.acceptsInput;
    this.sameTag = identity.sameTag;
    this.terminal = identity.terminal;
    this.#link = link;
    this.#output = output;
    const { signals } = output;
    this.#input = new InputWriter(link, { processId, kind: isPty ? "pty" : "stdin", signals });
    // The restored agent does not know how much input this client has written since.
    output.onRewound = () => this.#input.restart();
    this.#resizer = new Resizer(link, processId, signals);
  }

  get offset(): number {
    return this.#output.offset;
  }

  get generation(): string | undefined {
    return this.#output.generation;
  }

  get exit(): Promise<Exit> {
    return this.#output.exit;
  }

  [Symbol.asyncIterator](): AsyncIterator<OutputEvent> {
    return this.#output;
  }

  async discardOutput(): Promise<Exit> {
    while ((await this.#output.next()).done !== true);
    return this.exit;
  }

  write(data: Uint8Array | string, options?: CallOptions): Promise<void> {
    if (typeof data === "string") return this.#input.write(new TextEncoder().encode(data), options);
    if (isBytes(data)) return this.#input.write(data, options);
    const message = `the input is of type ${typeName(data)}, must be a string or a Uint8Array`;
    return Promise.reject(new ClientError("invalid_argument", message));
  }

  closeStdin(options?: CallOptions): Promise<void> {
    return this.#input.close(options);
  }

  resize(size: PtySize, { signal }: CallOptions = {}): Promise<void> {
    const resized = this.#resizer.resize(size);
    return signal === undefined ? resized : untilAbort(resized, signal);
  }

  signal(name: SignalName, options?: SignalOptions): Promise<void> {
    return sendSignal(this.#link, this.processId, name, options, this.#output.signals);
  }

  retryNow(): void {
    this.#output.retryNow();
  }

  detach(): void {
    this.#output.detach();
  }
}
