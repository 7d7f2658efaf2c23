// The time limits of HTTP/1.1 connections: for the headers of a request, and between two requests. Node has both, but its
// timers count a pause of the machine (rule 17), and its check of the headers wakes the agent up every second (rule 19).

import type { Socket } from "node:net";
import { realClock } from "../../clock.ts";
import type { RequestListener } from "../exchange.ts";
import { hasHalfHead } from "./sent-ahead.ts";

export interface RequestTimeLimits {
  readonly headersMs: number;
  readonly idleMs: number;
}

/** The event that a connection waits for. */
type State =
  | { readonly kind: "answer" }
  | { readonly kind: "headers"; readonly sinceMs: number }
  | { readonly kind: "request"; readonly sinceMs: number; readonly bytesRead: number };

interface Connection {
  readonly socket: Socket;
  /** Requests that have not arrived completely, and those that are not answered. */
  open: number;
  state: State;
}

export interface RequestTimes {
  /** A connection whose first bytes have arrived; with `isIdle`, one that waits for its next request. */
  add(socket: Socket, isIdle: boolean): void;
  /** Follows the requests that `listener` gets. */
  watch(listener: RequestListener): RequestListener;
  /** Ends the connections that are beyond a limit. To be called at least as often as `headersMs`. */
  check(): void;
}

/**
 * `onLate` is called for a connection whose headers do not arrive in time. Idle connections are closed without an answer. What has
 * arrived on a connection that `isHeld` is not read, so that its time does not pass.
 */
export function createRequestTimes(
  { headersMs, idleMs }: RequestTimeLimits,
  onLate: (socket: Socket) => void,
  isHeld: (socket: Socket) => boolean = () => false,
): RequestTimes {
  const connections = new Map<Socket, Connection>();
  const onDone = (connection: Connection): void => {
    if (--connection.open > 0) return;
    const { bytesRead } = connection.socket;
    connection.state = { kind: "request", sinceMs: realClock.nowMs(), bytesRead };
  };
  return {
    add: (socket, isIdle) => {
      const sinceMs = realClock.nowMs();
      const { bytesRead } = socket;
      const state: State = isIdle ? { kind: "request", sinceMs, bytesRead } : { kind: "headers", sinceMs };
      connections.set(socket, { socket, open: 0, state });
      socket.once("close", () => void connections.delete(socket));
    },
    watch: (listener) => (request, response) => {
      const connection = connections.get(request.socket);
      if (connection !== undefined) {
        connection.open += 2;
        connection.state = { kind: "answer" };
        const done = () => onDone(connection);
        request.once("close", done);
        response.once("close", done);
      }
      listener(request, response);
    },
    check: () => {
      const now = realClock.nowMs();
      for (const connection of connections.values()) {
        const { socket, state } = connection;
        if (isHeld(socket) && state.kind !== "answer") connection.state = { ...state, sinceMs: now };
        const hasBegun = hasHalfHead(socket);
        if (state.kind === "request" && (hasBegun || socket.bytesRead > state.bytesRead))
          connection.state = { kind: "headers", sinceMs: now };
        else if (state.kind === "request" && now - state.sinceMs >= idleMs) socket.destroy();
        else if (state.kind === "headers" && now - state.sinceMs >= headersMs) {
          connections.delete(socket);
          onLate(socket);
        }
      }
    },
  };
}
