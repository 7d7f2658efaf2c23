// Which window of this browser controls a process: the one that typed last. Only that one answers the queries
// of programs and sets the size.

import { pageId } from "../session/streams.ts";

interface ControlMessage {
  readonly kind: "claim" | "ask" | "mine";
  readonly page: string;
  readonly processId: string;
}

/** Long enough for an answer of a window that is busy. */
const ANSWER_MS = 80;

export class Control {
  readonly #channel = new BroadcastChannel("holdfast-control");
  readonly #processId: string;
  readonly #onChange: (isMine: boolean) => void;
  #isMine = false;
  #isTaken = false;

  constructor(processId: string, onChange: (isMine: boolean) => void) {
    this.#processId = processId;
    this.#onChange = onChange;
    this.#channel.onmessage = ({ data }: MessageEvent<ControlMessage>) => this.#receive(data);
  }

  get isMine(): boolean {
    return this.#isMine;
  }

  /** Takes it if no other window has it. */
  async begin(): Promise<void> {
    this.#post("ask");
    await new Promise((resolve) => setTimeout(resolve, ANSWER_MS));
    if (!this.#isTaken) this.claim();
  }

  claim(): void {
    if (this.#isMine) return;
    this.#post("claim");
    this.#set(true);
  }

  lose(): void {
    this.#set(false);
  }

  close(): void {
    this.#channel.close();
  }

  #receive({ kind, processId }: ControlMessage): void {
    if (processId !== this.#processId) return;
    if (kind === "ask") {
      if (this.#isMine) this.#post("mine");
    } else {
      this.#isTaken = true;
      this.#set(false);
    }
  }

  #set(isMine: boolean): void {
    if (this.#isMine === isMine) return;
    this.#isMine = isMine;
    this.#onChange(isMine);
  }

  #post(kind: ControlMessage["kind"]): void {
    this.#channel.postMessage({ kind, page: pageId, processId: this.#processId } satisfies ControlMessage);
  }
}
