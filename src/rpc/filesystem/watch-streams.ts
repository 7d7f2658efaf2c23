// The WatchDir streams that are open now, as plain data for the next image of the agent. Fields are only added; a field
// keeps its name and its meaning.

import type { Socket } from "node:net";
import { descriptorOf } from "../../linux/index.ts";
import type { WatchPlace, WatchStream, WatchTerms } from "./watch-stream.ts";

export interface WatchStreamTerms extends WatchTerms {
  readonly watcherId: string;
  readonly protocol: string;
  /** When the call ends by the client's time limit, as a lasting time. */
  readonly dueAtMs?: number | undefined;
}

export interface WatchStreamState extends WatchStreamTerms, WatchPlace {
  readonly fd: number;
}

interface OpenWatch {
  readonly terms: WatchStreamTerms;
  /** Undefined if its connection cannot be carried. */
  readonly socket: Socket | undefined;
}

export class WatchStreams {
  readonly #open = new Map<WatchStream, OpenWatch>();

  /** Returns the function that removes it. */
  add(stream: WatchStream, open: OpenWatch): () => void {
    this.#open.set(stream, open);
    return () => void this.#open.delete(stream);
  }

  /** Those that can be carried. */
  save(): WatchStreamState[] {
    const states: WatchStreamState[] = [];
    for (const [stream, { terms, socket }] of this.#open) {
      const fd = socket === undefined ? undefined : descriptorOf(socket);
      const place = stream.save();
      if (fd !== undefined && place !== undefined) states.push({ ...terms, ...place, fd });
    }
    return states;
  }
}
