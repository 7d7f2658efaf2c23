// How many streaming calls there are at once. Counted by their responses, which always close, and not by their handlers,
// which the library may leave hanging when a client vanishes early.

import { Code } from "@connectrpc/connect";
import { pathOf, type RequestListener, refuse } from "../http/index.ts";
import type { Records } from "./client-activity.ts";
import { streamingPaths } from "./services.ts";

/** `listener` is called with what there is room for. */
export function limitStreams(
  maxStreams: number,
  records: Records,
  listener: RequestListener,
): RequestListener {
  let streams = 0;
  return (request, response) => {
    if (!streamingPaths.has(pathOf(request))) return listener(request, response);
    if (streams >= maxStreams) {
      const message = `${streams} streams are open, as many as there may be (--max-streams)`;
      records.refusedRequest(Code.ResourceExhausted, message, { path: pathOf(request) });
      return refuse(request, response, { code: Code.ResourceExhausted, httpStatus: 429, message });
    }
    streams++;
    response.once("close", () => streams--);
    listener(request, response);
  };
}
