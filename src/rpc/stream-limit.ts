// Refuses streaming calls: above the limit of open streams, and new ones while the agent stops. They are counted by their responses, which always close, and not by
// their handlers, which the library may leave waiting when a client disconnects early.

import { Code } from "@connectrpc/connect";
import { pathOf, type Refusal, type RequestListener, refuse } from "../http/index.ts";
import type { ClientActivity } from "./client-activity.ts";
import type { OutputStreams } from "./output/output-streams.ts";
import { streamingPaths } from "./services.ts";
import type { ServingState } from "./serving-state.ts";

/** A Start or Connect that the agent receives while it stops could not run to its end. */
const refusedAtStop: ReadonlySet<string> = new Set(["/process.Process/Start", "/process.Process/Connect"]);

const stopping: Refusal = {
  code: Code.Unavailable,
  httpStatus: 503,
  message: "the agent is shutting down; try again",
  // In seconds. By then the next agent can be there: this one listens until it ends.
  headers: { "Retry-After": "1" },
};

/** How many are open. */
export class StreamCount {
  #open = 0;

  get open(): number {
    return this.#open;
  }

  add(): void {
    this.#open++;
  }

  remove(): void {
    this.#open--;
  }
}

/** Passes the other requests to `listener`. */
export function limitStreams(
  maxStreams: number,
  streams: StreamCount,
  output: Pick<OutputStreams, "addEndless">,
  serving: ServingState,
  activity: ClientActivity,
  listener: RequestListener,
): RequestListener {
  return (request, response) => {
    const path = pathOf(request);
    if (!streamingPaths.has(path)) return listener(request, response);
    if (serving.isStopping && refusedAtStop.has(path)) {
      activity.refusedRequest(stopping.code, stopping.message, { path });
      return refuse(request, response, stopping);
    }
    if (streams.open >= maxStreams) {
      const message = `stream limit reached (${maxStreams}; --max-streams)`;
      activity.refusedRequest(Code.ResourceExhausted, message, { path });
      return refuse(request, response, { code: Code.ResourceExhausted, httpStatus: 429, message });
    }
    // Start and Connect are counted by their output.
    if (!refusedAtStop.has(path)) response.once("close", output.addEndless());
    streams.add();
    response.once("close", () => streams.remove());
    listener(request, response);
  };
}
