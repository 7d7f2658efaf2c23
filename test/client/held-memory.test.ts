// A client that lives for long leaves thousands of processes and transfers. It must not hold their streams.

import { expect, onTestFinished, test } from "vitest";
import { newClient } from "../../src/client/client.ts";
import { toSettings } from "../../src/client/client-settings.ts";
import type { Client, RemoteProcess } from "../../src/client/index.ts";
import { nodeConnection } from "../../src/client/node/node-connection.ts";
import type { HttpClient } from "../../src/client/transport/http-client.ts";
import { rpcOverHttp } from "../../src/client/transport/http-rpc.ts";
import { collectGarbage } from "../support/heap-bytes.ts";
import { createTempFolder } from "../support/temp-folder.ts";
import { untilFound } from "../support/until-found.ts";
import { agentForFile } from "./file-agent.ts";

const agent = agentForFile();
const sleeper = { cmd: "sleep", args: ["60"] };
const leave: Readonly<Record<string, (process: RemoteProcess, controller: AbortController) => void>> = {
  detach: (process) => process.detach(),
  "an abort": (_, controller) => controller.abort(),
};

test.each(Object.entries(leave))(
  "after %s the client holds nothing of the process's stream",
  async (_, act) => {
    const { client, held } = watchedClient();
    const controller = new AbortController();
    act(await client.start(sleeper, { signal: controller.signal }), controller);
    await expect(untilNothingIsHeld(held)).resolves.toBe(1);
  },
);

test("after an abort the client holds nothing of a download that is not read", async () => {
  const { client, held } = watchedClient();
  const path = `${createTempFolder()}/file`;
  await client.files.write(path, "x");
  const controller = new AbortController();
  await client.files.download(path, { signal: controller.signal });
  controller.abort();
  await expect(untilNothingIsHeld(held)).resolves.toBe(2);
});

/** `held` are the signals of its requests, which live for as long as the client holds anything of them. */
function watchedClient(): { readonly client: Client; readonly held: readonly WeakRef<AbortSignal>[] } {
  const held: WeakRef<AbortSignal>[] = [];
  const connection = nodeConnection({ baseUrl: agent.url, httpVersion: "1.1", keepaliveMs: 10_000 });
  const watched = (http: HttpClient): HttpClient => ({
    ...http,
    send: (request) => {
      held.push(new WeakRef(request.signal));
      return http.send(request);
    },
  });
  const open = () => {
    const { http } = connection.open();
    if (http === undefined) throw new Error("a connection to an address has HTTP");
    return { rpc: rpcOverHttp(watched(http)), http: watched(http) };
  };
  const client = newClient({ open, close: () => connection.close() }, toSettings({}));
  onTestFinished(() => client.close());
  return { client, held };
}

/** Returns how many requests there were. */
async function untilNothingIsHeld(held: readonly WeakRef<AbortSignal>[]): Promise<number> {
  const stillHeld = () => held.filter((signal) => signal.deref() !== undefined).length;
  await untilFound(
    () => {
      collectGarbage();
      return stillHeld() === 0 ? true : undefined;
    },
    () => `${stillHeld()} of ${held.length} are held`,
  );
  return held.length;
}
