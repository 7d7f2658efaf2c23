// grpc.health.v1.Health, called by the unmodified @grpc/grpc-js client with the published schema.

import { fileURLToPath } from "node:url";
import {
  type Client,
  type ClientReadableStream,
  credentials,
  loadPackageDefinition,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { expect, onTestFinished, test } from "vitest";
import { startAgent } from "../support/agent/agent.ts";

interface Answer {
  readonly status: string;
}

interface HealthClient extends Client {
  check(request: object, callback: (error: ServiceError | null, answer: Answer) => void): void;
  list(
    request: object,
    callback: (error: ServiceError | null, answer: { statuses: Record<string, Answer> }) => void,
  ): void;
  watch(request: object): ClientReadableStream<Answer>;
}

const schema = fileURLToPath(new URL("../../proto/grpc/health/v1/health.proto", import.meta.url));

function openHealthClient(port: number): HealthClient {
  const loaded = loadPackageDefinition(loadSync(schema, { enums: String })) as unknown as {
    grpc: { health: { v1: { Health: new (address: string, ...rest: object[]) => HealthClient } } };
  };
  const client = new loaded.grpc.health.v1.Health(`127.0.0.1:${port}`, credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
  });
  onTestFinished(() => client.close());
  return client;
}

function check(client: HealthClient, service?: string): Promise<string> {
  return new Promise((resolve, reject) =>
    client.check(service === undefined ? {} : { service }, (error, answer) =>
      error === null ? resolve(answer.status) : reject(error),
    ),
  );
}

test("Check reports SERVING for the agent and its process service, and not_found for others", async () => {
  const { port } = await startAgent();
  const client = openHealthClient(port);
  // A Kubernetes probe without a service name sends this.
  expect(await check(client)).toBe("SERVING");
  expect(await check(client, "process.Process")).toBe("SERVING");
  await expect(check(client, "process.Proces")).rejects.toMatchObject({
    code: status.NOT_FOUND,
    details: 'service "process.Proces" is unknown',
  });
});

test("List names the agent and each service with its status", async () => {
  const { port } = await startAgent();
  const client = openHealthClient(port);
  const statuses = await new Promise((resolve, reject) =>
    client.list({}, (error, answer) => (error === null ? resolve(answer.statuses) : reject(error))),
  );
  const status = "SERVING";
  expect(statuses).toEqual({
    "": { status },
    "process.Process": { status },
    "filesystem.Filesystem": { status },
  });
});

test("Watch reports SERVING at once, NOT_SERVING when the agent begins to stop, and then ends", async () => {
  const agent = await startAgent();
  const seen: string[] = [];
  const watching = openHealthClient(agent.port).watch({ service: "process.Process" });
  const ended = new Promise((resolve, reject) => watching.once("end", resolve).once("error", reject));
  const first = new Promise((resolve) => watching.once("data", resolve));
  watching.on("data", ({ status }: Answer) => seen.push(status));
  await first;
  expect(seen).toEqual(["SERVING"]);
  agent.kill("SIGTERM");
  await ended;
  expect(seen).toEqual(["SERVING", "NOT_SERVING"]);
  expect((await agent.exited()).code).toBe(0);
});

test("Watch of an unknown service reports SERVICE_UNKNOWN and stays open, as the protocol demands", async () => {
  const agent = await startAgent();
  const client = openHealthClient(agent.port);
  const watching = client.watch({ service: "nobody" });
  // The client's own cancellation.
  watching.on("error", () => undefined);
  const answer = await new Promise<Answer>((resolve) => watching.once("data", resolve));
  expect(answer.status).toBe("SERVICE_UNKNOWN");
  // A later call on the same connection is answered while it is open.
  expect(await check(client)).toBe("SERVING");
  expect(watching.readableEnded).toBe(false);
  const closed = new Promise((resolve) => watching.once("status", resolve));
  watching.cancel();
  expect(await closed).toMatchObject({ code: status.CANCELLED });
});

test("a hundred clients that watch do not delay the agent's end", async () => {
  const agent = await startAgent();
  const client = openHealthClient(agent.port);
  const ends = Array.from({ length: 100 }, () => {
    const watching = client.watch({});
    const begun = new Promise((resolve) => watching.once("data", resolve));
    return {
      begun,
      ended: new Promise((resolve, reject) => watching.once("end", resolve).once("error", reject)),
    };
  });
  await Promise.all(ends.map(({ begun }) => begun));
  agent.kill("SIGTERM");
  await Promise.all(ends.map(({ ended }) => ended));
  expect((await agent.exited()).code).toBe(0);
});

test("with an access token, Check is refused without it", async () => {
  const { port } = await startAgent({ env: { HOLDFAST_ACCESS_TOKEN: "secret" } });
  await expect(check(openHealthClient(port))).rejects.toMatchObject({ code: status.UNAUTHENTICATED });
});

test("a Watch stream counts towards --max-streams", async () => {
  const { port } = await startAgent({ args: ["--max-streams", "1"] });
  const client = openHealthClient(port);
  const watching = client.watch({});
  watching.on("error", () => undefined);
  await new Promise((resolve) => watching.once("data", resolve));
  const refused = client.watch({});
  const error = await new Promise((resolve) => refused.once("error", resolve));
  expect(error).toMatchObject({
    code: status.RESOURCE_EXHAUSTED,
    details: expect.stringContaining("--max-streams"),
  });
  watching.cancel();
});
