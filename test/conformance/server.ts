// One server of the conformance suite: the agent's HTTP server and RPC adapter with the suite's service. The runner
// writes what it wants to stdin (a length and a message), reads the address from stdout and ends it by SIGTERM.

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { startServer } from "../../src/http/index.ts";
import { MemoryBudget } from "../../src/multiplexer/index.ts";
import { RequestMemory } from "../../src/rpc/memory/request-memory.ts";
import { createRpcListener } from "../../src/rpc/protocol/adapter.ts";
import { DEFAULT_RPC_LIMITS } from "../../src/rpc/rpc-limits.ts";
import { conformanceRoutes } from "./conformance-service.ts";
import {
  ServerCompatRequestSchema,
  ServerCompatResponseSchema,
} from "./gen/connectrpc/conformance/v1/server_compat_pb.ts";

const LENGTH_BYTES = 4;
const MAX_MESSAGE_BYTES = 1024 * 1024;

const logger = { debug: ignore, info: ignore, warn: report, error: report };

const wanted = fromBinary(ServerCompatRequestSchema, await readMessage());
const server = await startServer({
  addresses: [{ kind: "tcp", host: "127.0.0.1", port: 0 }],
  answer: createRpcListener({
    routes: conformanceRoutes,
    logger,
    maxMessageBytes: wanted.messageReceiveLimit || MAX_MESSAGE_BYTES,
    requestMs: DEFAULT_RPC_LIMITS.requestMs,
    memory: new RequestMemory(
      new MemoryBudget(2 * DEFAULT_RPC_LIMITS.requestMemoryBytes),
      DEFAULT_RPC_LIMITS.requestMemoryBytes,
    ),
    fallback: (_request, response) => {
      response.statusCode = 404;
      response.end();
    },
  }),
  logger,
  ...(wanted.useTls && wanted.serverCreds !== undefined
    ? { tls: { cert: Buffer.from(wanted.serverCreds.cert), key: Buffer.from(wanted.serverCreds.key) } }
    : {}),
});
// A runner that is killed does not end its servers.
const runner = process.ppid;
setInterval(() => process.ppid === runner || process.exit(1), 5_000);
writeMessage(
  toBinary(
    ServerCompatResponseSchema,
    create(ServerCompatResponseSchema, {
      host: "127.0.0.1",
      port: server.port,
      pemCert: wanted.serverCreds?.cert ?? new Uint8Array(),
    }),
  ),
);

async function readMessage(): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of process.stdin) {
    pieces.push(piece);
    const received = Buffer.concat(pieces);
    if (received.length < LENGTH_BYTES) continue;
    const end = LENGTH_BYTES + received.readUInt32BE();
    if (received.length >= end) return received.subarray(LENGTH_BYTES, end);
  }
  throw new Error("stdin ended before the message was complete");
}

function writeMessage(message: Uint8Array): void {
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(message.length);
  process.stdout.write(Buffer.concat([length, message]));
}

function ignore(): void {
  // Not of interest in a passed run.
}

function report(fields: object, message: string): void {
  console.error(message, fields);
}
