// The listener that answers RPCs. The services, Connect and the messages are loaded by the first request that
// may be an RPC: they are 7 MB that an agent at rest does not need.

import { Code } from "@connectrpc/connect";
import {
  type NodeRequest,
  type NodeResponse,
  pathOf,
  type Refusal,
  type RequestListener,
  refuse,
} from "../http/index.ts";
import { loadLate } from "./load-late.ts";
import type { LoadedRpcs, RpcAnswerOptions } from "./loaded-rpcs.ts";
import { RequestLimit } from "./memory/request-limit.ts";

/** `/package.Service/Method`: all other requests are for `fallback`. */
const RPC_PATH = /^\/\w+(?:\.\w+)+\/\w+$/;

/** They answer however much memory other requests hold; the body of `/init` has a limit of its own. */
const UNLIMITED: ReadonlySet<string> = new Set(["/health", "/init"]);

const notLoaded: Refusal = {
  code: Code.Unavailable,
  httpStatus: 503,
  message: "the RPCs could not be loaded: try again, or restart the agent if its files were replaced",
};

export interface RpcAnswer extends RequestListener {
  /** Loads the RPCs now. */
  load(): Promise<LoadedRpcs>;
}

export function createRpcAnswer(options: Omit<RpcAnswerOptions, "requestLimit">): RpcAnswer {
  const requestLimit = new RequestLimit(options.table.memoryBudget, options.activity);
  const limited = requestLimit.watch(() => "call", options.fallback);
  const fallback: RequestListener = (request, response) =>
    UNLIMITED.has(pathOf(request)) ? options.fallback(request, response) : limited(request, response);
  let listener: RequestListener | undefined;
  const load = loadLate(async () => {
    const { createLoadedRpcs } = await import("./loaded-rpcs.ts");
    const rpcs = createLoadedRpcs({ ...options, requestLimit });
    listener = rpcs.listener;
    return rpcs;
  });
  const answerLoaded = (request: NodeRequest, response: NodeResponse) => {
    response.on("error", () => {
      // The client left while the RPCs were loaded.
    });
    load().then(
      (loaded) => {
        if (!response.destroyed) loaded.listener(request, response);
      },
      (error: unknown) => {
        options.logger.error({ err: error }, "the RPCs could not be loaded");
        refuse(request, response, notLoaded);
      },
    );
  };
  const answer: RequestListener = (request, response) => {
    if (!RPC_PATH.test(pathOf(request))) return fallback(request, response);
    if (listener === undefined) return answerLoaded(request, response);
    listener(request, response);
  };
  return Object.assign(answer, { load });
}
