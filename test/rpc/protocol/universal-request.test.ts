// The request as Connect-ES receives it, and when its signal aborts.

import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { Code, ConnectError, createContextValues } from "@connectrpc/connect";
import { expect, onTestFinished, test } from "vitest";
import { universalRequest } from "../../../src/rpc/protocol/universal-request.ts";

async function receive(head: string, answer: (response: ServerResponse) => void) {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
  onTestFinished(() => void client.destroy());
  client.write(head);
  const [request, response] = (await once(server, "request")) as [IncomingMessage, ServerResponse];
  const universal = universalRequest(request, response, request, createContextValues());
  answer(response);
  return { universal, response, client };
}

const HEAD =
  "POST /process.Process/List?x=1 HTTP/1.1\r\nHost: agent:1\r\nX-Two: a\r\nX-Two: b\r\nContent-Length: 2\r\n\r\n{}";

test("Connect-ES receives the method, address, headers and body of the request", async () => {
  const { universal } = await receive(HEAD, (response) => void response.end());
  expect(universal).toMatchObject({
    method: "POST",
    url: "http://agent:1/process.Process/List?x=1",
    httpVersion: "1.1",
  });
  expect(universal.header.get("x-two")).toBe("a, b");
  const body: Uint8Array[] = [];
  for await (const piece of universal.body as AsyncIterable<Uint8Array>) body.push(piece);
  expect(Buffer.concat(body).toString()).toBe("{}");
});

test("the signal aborts when the client leaves before the answer", async () => {
  const { universal, response, client } = await receive(HEAD, () => undefined);
  client.destroy();
  await once(response, "close");
  expect(universal.signal.aborted).toBe(true);
  expect(ConnectError.from(universal.signal.reason).code).toBe(Code.Canceled);
});

test("the signal does not abort when the request has been answered", async () => {
  const { universal, response, client } = await receive(HEAD, (response) => void response.end("done"));
  client.resume();
  if (!response.closed) await once(response, "close");
  client.destroy();
  await once(client, "close");
  expect(universal.signal.aborted).toBe(false);
});
