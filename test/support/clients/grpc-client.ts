// @grpc/grpc-js as most of its users use it: it loads the service from proto/process.proto at run
// time, without generated code. Start and Connect streams have the shape of the generated messages,
// so they are read like those of any other client.

import { fileURLToPath } from "node:url";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type CallOptions,
  type ChannelOptions,
  type Client,
  type ClientReadableStream,
  type ClientWritableStream,
  credentials,
  loadPackageDefinition,
  Metadata,
  type ServiceError,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { onTestFinished } from "vitest";
import {
  type ProcessEventSchema,
  type StartResponse,
  StartResponseSchema,
} from "../../../src/gen/process_pb.ts";

/** As proto-loader delivers it: `{ event: "data", data: { output: "stdout", stdout: … } }`. */
interface LoadedResponse {
  readonly event: {
    readonly event: "start" | "data" | "end" | "keepalive";
    readonly start?: { readonly pid: number };
    readonly data?: { readonly output: "stdout" | "stderr" | "pty" } & Readonly<Record<string, Buffer>>;
    readonly end?: { readonly exitCode?: number; readonly exited?: boolean; readonly status: string };
  };
}

interface LoadedInfo {
  readonly pid: number;
  readonly tag?: string;
  readonly config: object;
}

type Callback<Response> = (error: ServiceError | null, response: Response) => void;
type Unary<Response = object> = (request: object, callback: Callback<Response>) => void;
type Streaming = (
  request: object,
  metadata: Metadata,
  options: CallOptions,
) => ClientReadableStream<LoadedResponse>;

interface LoadedClient extends Client {
  readonly list: Unary<{ readonly processes?: readonly LoadedInfo[] }>;
  readonly update: Unary;
  readonly sendInput: Unary;
  readonly sendSignal: Unary;
  readonly closeStdin: Unary;
  readonly start: Streaming;
  readonly connect: Streaming;
  readonly streamInput: (callback: Callback<object>) => ClientWritableStream<object>;
}

type UnaryName = "update" | "sendInput" | "sendSignal" | "closeStdin";

export interface GrpcCall extends AsyncIterable<StartResponse> {
  cancel(): void;
}

export interface GrpcClient {
  /** Fields have their JavaScript names. Rejects with grpc-js's ServiceError. */
  unary(name: UnaryName, request: object): Promise<object>;
  list(): Promise<readonly LoadedInfo[]>;
  stream(
    name: "start" | "connect",
    request: object,
    options?: { readonly metadata?: Readonly<Record<string, string>>; readonly deadlineMs?: number },
  ): GrpcCall;
  /** The call to write to and end, and its answer. */
  streamInput(): { readonly call: ClientWritableStream<object>; readonly answer: Promise<object> };
}

const protoFile = fileURLToPath(new URL("../../../proto/process.proto", import.meta.url));

/** On a connection of its own, closed when the test is finished. */
export function openGrpcClient(port: number, options: ChannelOptions = {}): GrpcClient {
  const loaded = loadPackageDefinition(loadSync(protoFile, { oneofs: true })) as unknown as {
    process: { Process: new (address: string, ...rest: object[]) => LoadedClient };
  };
  const client = new loaded.process.Process(`127.0.0.1:${port}`, credentials.createInsecure(), {
    // By default all clients of one address share a connection.
    "grpc.use_local_subchannel_pool": 1,
    ...options,
  });
  onTestFinished(() => client.close());

  return {
    unary: (name, request) => promised((callback) => client[name](request, callback)),
    list: async () =>
      (await promised<{ processes?: readonly LoadedInfo[] }>((callback) => client.list({}, callback)))
        .processes ?? [],
    stream: (name, request, { metadata = {}, deadlineMs } = {}) => {
      const headers = new Metadata();
      for (const [key, value] of Object.entries(metadata)) headers.set(key, value);
      const call = client[name](
        request,
        headers,
        deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs },
      );
      return {
        cancel: () => call.cancel(),
        [Symbol.asyncIterator]: async function* () {
          for await (const response of call as AsyncIterable<LoadedResponse>) yield toResponse(response);
        },
      };
    },
    streamInput: () => {
      let call: ClientWritableStream<object> | undefined;
      const answer = promised<object>((callback) => {
        call = client.streamInput(callback);
      });
      if (call === undefined) throw new Error("a promise did not call its executor");
      return { call, answer };
    },
  };
}

function promised<Response>(call: (callback: Callback<Response>) => void): Promise<Response> {
  return new Promise((resolve, reject) =>
    call((error, response) => (error === null ? resolve(response) : reject(error))),
  );
}

function toResponse({ event }: LoadedResponse): StartResponse {
  return create(StartResponseSchema, { event: { event: toEvent(event) } });
}

type EventInit = NonNullable<MessageInitShape<typeof ProcessEventSchema>["event"]>;

function toEvent({
  event: kind,
  start = { pid: 0 },
  data,
  end = { status: "" },
}: LoadedResponse["event"]): EventInit {
  if (kind === "start") return { case: "start", value: start };
  if (kind === "end") return { case: "end", value: end };
  if (kind === "keepalive") return { case: "keepalive", value: {} };
  if (data === undefined) throw new Error("a data event without data");
  const value = data[data.output] ?? Buffer.alloc(0);
  return { case: "data", value: { output: { case: data.output, value } } };
}
