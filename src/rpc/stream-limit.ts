// Limits how many streaming calls are open at once. They are counted by their responses, which always close, and not by
// their handlers, which the library may leave waiting when a client disconnects early.

import { Code } from "@connectrpc/connect";
import { pathOf, type RequestListener, refuse } from "../http/index.ts";
import type { ClientActivity } from "./client-activity.ts";
import { streamingPaths } from "./services.ts";

/** Passes requests to `listener`, and refuses streaming calls above the limit. */
export function limitStreams(
  maxStreams: number,
  activity: ClientActivity,
  listener: RequestListener,
): RequestListener {
  let streams = 0;
  return (request, response) => {
    const path = pathOf(request);
    if (!streamingPaths.has(path)) return listener(request, response);
    if (streams >= maxStreams) {
      const message = `stream limit reached (${maxStreams}; --max-streams)`;
      activity.refusedRequest(Code.ResourceExhausted, message, { path });
      return refuse(request, response, { code: Code.ResourceExhausted, httpStatus: 429, message });
    }
    streams++;
    response.once("close", () => streams--);
    listener(request, response);
  };
}
