// One service behind two servers: one answers calls directly where it can, the other leaves all to the library. The service
// notes what each call asked for, and its answers follow from the request alone.

import { type Message, toJsonString } from "@bufbuild/protobuf";
import { onTestFinished } from "vitest";
import { HoldfastError } from "../../../src/errors.ts";
import {
  type ConnectRequest,
  type ListRequest,
  Process,
  type SendInputRequest,
  type StartRequest,
  type StreamInputRequest,
} from "../../../src/gen/process_pb.ts";
import { startServer } from "../../../src/http/index.ts";
import { MemoryBudget } from "../../../src/multiplexer/index.ts";
import { ClientActivity } from "../../../src/rpc/client-activity.ts";
import { DirectCall } from "../../../src/rpc/direct/direct-call.ts";
import { RequestMemory } from "../../../src/rpc/memory/request-memory.ts";
import { guardedCalls } from "../../../src/rpc/process/guarded-calls.ts";
import { createRpcListener } from "../../../src/rpc/protocol/adapter.ts";
import { callContext, type RpcContext } from "../../../src/rpc/protocol/call-context.ts";
import { basicUser, keepaliveMs } from "../../../src/rpc/request-headers.ts";
import { directPaths } from "../../../src/rpc/services.ts";
import { ServingState } from "../../../src/rpc/serving-state.ts";

const MAX_MESSAGE_BYTES = 4096;
export const REQUEST_MEMORY_BYTES = 3000;

export interface Path {
  readonly port: number;
  /** The requests of the calls so far, in order. */
  readonly asked: unknown[];
  /** How many of them came without the library. */
  direct(): number;
  readonly memory: RequestMemory;
}

export interface TwoPaths {
  readonly direct: Path;
  readonly library: Path;
}

export async function openTwoPaths(requestMs = 10_000): Promise<TwoPaths> {
  return {
    direct: await openPath(directPaths, requestMs),
    library: await openPath(new Set(), requestMs),
  };
}

const silent = (): void => {
  // Calls are refused on purpose.
};
const logger = { debug: silent, info: silent, warn: silent, error: silent };

async function openPath(paths: ReadonlySet<string>, requestMs: number): Promise<Path> {
  const asked: unknown[] = [];
  let direct = 0;
  const note: Note = (request, context) => {
    if (context instanceof DirectCall) direct++;
    const { codec, timeoutMs } = callContext(context.values);
    const method = Process.methods.find(({ name }) => name === context.method.name);
    const header = (name: string) => context.requestHeader.get(name);
    asked.push({
      rpc: context.method.name,
      request: method && toJsonString(method.input, request as never),
      ...{ codec, timeoutMs, agent: header("user-agent"), missing: header("x-missing") },
      ...{ keepalive: keepaliveMs(context.requestHeader, 20_000), user: basicUser(context.requestHeader) },
    });
  };
  const memory = new RequestMemory(new MemoryBudget(10_000_000), REQUEST_MEMORY_BYTES);
  const server = await startServer({
    addresses: [{ kind: "tcp", host: "127.0.0.1", port: 0 }],
    allowHosts: ["*"],
    answer: createRpcListener({
      routes: (router) => router.service(Process, service(note)),
      directPaths: paths,
      logger,
      maxMessageBytes: MAX_MESSAGE_BYTES,
      requestMs,
      memory,
      fallback: (_, response) => void response.writeHead(404).end(),
    }),
    logger,
  });
  onTestFinished(() => server.close(0));
  return { port: server.port, asked, direct: () => direct, memory };
}

type Note = (request: Message, context: RpcContext) => void;

/** Words in the request decide how it ends. */
function service(note: Note) {
  const { unary, streaming } = guardedCalls({
    logger,
    activity: new ClientActivity(logger),
    serving: new ServingState(),
  });
  const failIf = (text: string): void => {
    if (text.includes("missing")) throw new HoldfastError("not_found", `no process ${text}`);
    if (text.includes("long")) throw new HoldfastError("invalid_argument", "é".repeat(3000));
    if (text.includes("bug")) throw new Error("a bug");
  };
  return {
    list: unary((request: ListRequest, context: RpcContext) => {
      note(request, context);
      failIf(request.pageToken);
      return { nextPageToken: "n".repeat(Math.min(request.pageSize, 20_000)) };
    }),
    sendInput: unary((request: SendInputRequest, context: RpcContext) => {
      note(request, context);
      const { selector } = request.process ?? {};
      failIf(selector?.case === "tag" ? selector.value : "");
      return request.offset === undefined ? {} : { offset: request.offset };
    }),
    streamInput: unary(async (requests: AsyncIterable<StreamInputRequest>, context: RpcContext) => {
      let offset = 0n;
      for await (const request of requests) {
        note(request, context);
        callContext(context.values).releaseRequest();
        const { event } = request;
        const selector = event.case === "start" ? event.value.process?.selector : undefined;
        failIf(selector?.case === "tag" ? selector.value : "");
        if (event.case === "data") offset = event.value.offset ?? offset + 1n;
      }
      return offset === 0n ? {} : { offset };
    }),
    start: streaming(async function* (request: StartRequest, context: RpcContext) {
      note(request, context);
      const { tag = "", process } = request;
      failIf(process?.cmd ?? "");
      yield { event: { event: { case: "start" as const, value: { pid: 12, generation: tag.repeat(200) } } } };
      failIf(tag);
      yield { event: { event: { case: "end" as const, value: { status: "exit status 0", exited: true } } } };
    }),
    connect: streaming(async function* (request: ConnectRequest, context: RpcContext) {
      note(request, context);
      failIf(request.generation ?? "");
      if (request.generation === "nothing") return;
      yield { event: { event: { case: "keepalive" as const, value: {} } } };
    }),
  };
}
