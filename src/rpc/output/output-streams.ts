// The Start and Connect streams that are open now, for the moment in which the agent becomes another image.

import type { Socket } from "node:net";
import { FULL_GRANT, type Grant, type NodeResponse } from "../../http/index.ts";
import type { Process } from "../../process/index.ts";
import type { AttachedStream } from "./attached-stream.ts";
import { type SentAhead, type StreamConnection, saveConnection } from "./carried-connection.ts";
import type { StreamState, StreamTerms } from "./stream-state.ts";

interface OpenStream extends StreamConnection {
  readonly process: Process;
  readonly terms: StreamTerms;
}

export class OutputStreams {
  readonly #open = new Map<AttachedStream, OpenStream>();
  #endless = 0;

  /** Returns the function that removes it. */
  add(stream: AttachedStream, open: OpenStream): () => void {
    this.#open.set(stream, open);
    return () => void this.#open.delete(stream);
  }

  /** A call of another kind that may stay open. Returns the function that removes it, once. */
  addEndless(): () => void {
    this.#endless++;
    let isOpen = true;
    return () => {
      if (isOpen) this.#endless--;
      isOpen = false;
    };
  }

  /** Calls whose end nothing waits for: all other requests are answered in part. */
  get unboundedCalls(): number {
    let count = this.#endless;
    for (const stream of this.#open.keys()) if (stream.isFlowing) count++;
    return count;
  }

  /** Those that can be carried, and their processes. */
  save(sentAhead: SentAhead): { readonly states: StreamState[]; readonly processes: Process[] } {
    const states: StreamState[] = [];
    const processes: Process[] = [];
    for (const [stream, { process, terms, ...connection }] of this.#open) {
      const place = stream.save();
      const carried = saveConnection(connection, sentAhead);
      if (carried === undefined || place === undefined) continue;
      states.push({ ...terms, ...place, ...carried, processId: process.processId });
      processes.push(process);
    }
    return { states, processes };
  }
}

/** The connection of a response, if it is plain HTTP/1.1 and the next image can find the token of its client. */
export function carriableSocket(response: NodeResponse, grant: Grant): Socket | undefined {
  if (grant !== FULL_GRANT && grant.key === undefined) return undefined;
  if ("stream" in response || response.socket === null) return undefined;
  return "encrypted" in response.socket ? undefined : response.socket;
}
