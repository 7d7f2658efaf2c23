// The WatchDir streams that are open now, as plain data for the next image of the agent. Fields are only added; a field
// keeps its name and its meaning.

import type { ConnectionState } from "../../http/index.ts";
import { type SentAhead, type StreamConnection, saveConnection } from "../output/carried-connection.ts";
import type { WatchPlace, WatchStream, WatchTerms } from "./watch-stream.ts";

export interface WatchStreamTerms extends WatchTerms {
  readonly watcherId: string;
  readonly protocol: string;
  /** When the call ends by the client's time limit, as a lasting time. */
  readonly dueAtMs?: number | undefined;
  /** See Grant. Undefined: the access token, or none. */
  readonly grantKey?: string | undefined;
}

export interface WatchStreamState extends WatchStreamTerms, WatchPlace, ConnectionState {}

interface OpenWatch extends StreamConnection {
  readonly terms: WatchStreamTerms;
}

export class WatchStreams {
  readonly #open = new Map<WatchStream, OpenWatch>();

  /** Returns the function that removes it. */
  add(stream: WatchStream, open: OpenWatch): () => void {
    this.#open.set(stream, open);
    return () => void this.#open.delete(stream);
  }

  /** Those that can be carried. */
  save(sentAhead: SentAhead): WatchStreamState[] {
    const states: WatchStreamState[] = [];
    for (const [stream, { terms, ...connection }] of this.#open) {
      const place = stream.save();
      const carried = saveConnection(connection, sentAhead);
      if (carried !== undefined && place !== undefined) states.push({ ...terms, ...place, ...carried });
    }
    return states;
  }
}
