// Server reflection: with a command-line client that has no schema, and call by call in both versions of the protocol.

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { create, fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  ServerReflection,
  ServerReflectionRequestSchema,
  type ServerReflectionResponse,
} from "../../src/gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as AlphaServerReflection } from "../../src/gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { reflection, streamingPaths } from "../../src/rpc/services.ts";
import { type RunningAgent, startAgent } from "../support/agent/agent.ts";
import { openConnection } from "../support/clients/raw-http.ts";

const run = promisify(execFile);
const buf = fileURLToPath(new URL("../../node_modules/.bin/buf", import.meta.url));

let agent: RunningAgent;
beforeAll(async () => {
  agent = await startAgent({ args: ["--request-timeout", "100ms"] });
});
afterAll(() => agent.stop());

type Question = NonNullable<MessageInitShape<typeof ServerReflectionRequestSchema>["messageRequest"]>;

async function ask(
  version: typeof ServerReflection | typeof AlphaServerReflection,
  ...questions: Question[]
): Promise<ServerReflectionResponse["messageResponse"][]> {
  // Both versions have the same shape.
  const client = createClient(
    version as typeof ServerReflection,
    createGrpcTransport({ baseUrl: agent.url }),
  );
  const requests = questions.map((messageRequest) =>
    create(ServerReflectionRequestSchema, { messageRequest }),
  );
  async function* all() {
    yield* requests;
  }
  const answers: ServerReflectionResponse["messageResponse"][] = [];
  for await (const { messageResponse } of client.serverReflectionInfo(all())) answers.push(messageResponse);
  return answers;
}

const SERVICES = [
  "process.Process",
  "filesystem.Filesystem",
  "grpc.health.v1.Health",
  "grpc.reflection.v1.ServerReflection",
  "grpc.reflection.v1alpha.ServerReflection",
];

test("buf curl lists the methods and calls one without a schema", async () => {
  const { stdout: methods } = await run(buf, [
    "curl",
    "--http2-prior-knowledge",
    "--protocol=grpc",
    "--list-methods",
    agent.url,
  ]);
  expect(methods.split("\n")).toEqual(
    expect.arrayContaining(["process.Process/Start", "process.Process/List", "grpc.health.v1.Health/Check"]),
  );
  const { stdout } = await run(buf, [
    "curl",
    "--http2-prior-knowledge",
    "--protocol=grpc",
    "--data",
    JSON.stringify({ process: { cmd: "echo", args: ["hello"] } }),
    `${agent.url}/process.Process/Start`,
  ]);
  expect(stdout).toContain(Buffer.from("hello\n").toString("base64"));
  expect(stdout).toContain('"status": "exit status 0"');
});

test.each([
  ["v1", ServerReflection],
  ["v1alpha", AlphaServerReflection],
] as const)("%s describes services, files and symbols, and refuses unknown ones", async (_, version) => {
  const [services, file, service, method, message, field, value, extensions] = await ask(
    version,
    { case: "listServices", value: "" },
    { case: "fileByFilename", value: "process.proto" },
    { case: "fileContainingSymbol", value: "process.Process" },
    { case: "fileContainingSymbol", value: "process.Process.Start" },
    { case: "fileContainingSymbol", value: "process.ProcessEvent.DataEvent" },
    { case: "fileContainingSymbol", value: "process.StartRequest.start_id" },
    { case: "fileContainingSymbol", value: "process.SIGNAL_SIGTERM" },
    { case: "allExtensionNumbersOfType", value: "process.StartRequest" },
  );
  expect(services).toMatchObject({
    case: "listServicesResponse",
    value: { service: SERVICES.map((name) => ({ name })) },
  });
  if (file?.case !== "fileDescriptorResponse") throw new Error(`no file: ${JSON.stringify(file)}`);
  const [bytes = new Uint8Array()] = file.value.fileDescriptorProto;
  const descriptor = fromBinary(FileDescriptorProtoSchema, bytes);
  expect([descriptor.name, descriptor.package]).toEqual(["process.proto", "process"]);
  for (const same of [service, method, message, field, value]) expect(same).toEqual(file);
  expect(extensions).toMatchObject({
    case: "allExtensionNumbersResponse",
    value: { baseTypeName: "process.StartRequest" },
  });

  const missing = await ask(
    version,
    { case: "fileByFilename", value: "proces.proto" },
    { case: "fileContainingSymbol", value: "process.Proces" },
    {
      case: "fileContainingExtension",
      value: { containingType: "process.StartRequest", extensionNumber: 9 },
    },
    { case: "allExtensionNumbersOfType", value: "nothing" },
    { case: undefined },
  );
  expect(missing).toMatchObject([
    { case: "errorResponse", value: { errorCode: 5, errorMessage: 'file "proces.proto" is unknown' } },
    { case: "errorResponse", value: { errorCode: 5, errorMessage: 'symbol "process.Proces" is unknown' } },
    { case: "errorResponse", value: { errorCode: 5 } },
    { case: "errorResponse", value: { errorCode: 5 } },
    { case: "errorResponse", value: { errorCode: 3 } },
  ]);
});

/** The agent's answer to a request whose body never comes. */
async function answerToHalfARequest(port: number) {
  const connection = await openConnection(port);
  try {
    connection.send(
      "POST /process.Process/List HTTP/1.1\r\nHost: localhost\r\n" +
        "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n",
    );
    return await connection.response();
  } finally {
    connection.cut();
  }
}

test("a client that waits between two questions is not disconnected by the limit for one message", async () => {
  const client = createClient(ServerReflection, createGrpcTransport({ baseUrl: agent.url }));
  const question = () =>
    create(ServerReflectionRequestSchema, { messageRequest: { case: "listServices", value: "" } });
  async function* questions() {
    yield question();
    // The limit applies to this request, which begins later.
    expect(await answerToHalfARequest(agent.port)).toMatchObject({ status: 408 });
    yield question();
  }
  let answers = 0;
  for await (const { messageResponse } of client.serverReflectionInfo(questions())) {
    expect(messageResponse.case).toBe("listServicesResponse");
    answers++;
  }
  expect(answers).toBe(2);
});

test("over HTTP/1.1, which has no bidirectional streams, the call is refused as the protocol demands", async () => {
  const response = await fetch(`${agent.url}/grpc.reflection.v1.ServerReflection/ServerReflectionInfo`, {
    method: "POST",
    headers: { "Content-Type": "application/grpc" },
    body: new Uint8Array([0, 0, 0, 0, 0]),
  });
  const answer = ["grpc-status", "grpc-message", "connection"].map((name) => response.headers.get(name));
  expect(answer).toEqual([
    "12",
    "ServerReflectionInfo streams in both directions, which needs HTTP/2",
    "close",
  ]);
});

test("the paths in services.ts are those of the schema", () => {
  const paths = [ServerReflection, AlphaServerReflection].map(
    ({ typeName, method }) => `/${typeName}/${method.serverReflectionInfo.name}`,
  );
  expect(reflection.paths).toEqual(paths);
  expect([...streamingPaths]).toEqual(expect.arrayContaining(paths));
});
