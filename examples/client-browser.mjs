// Connect-Web's transport, instead of a baseUrl.

import { createConnectTransport } from "@connectrpc/connect-web";
import { createClient } from "holdfast/client";

const baseUrl = globalThis.process?.env.HOLDFAST_URL ?? "http://127.0.0.1:49983";
const client = createClient({ transport: () => createConnectTransport({ baseUrl, useBinaryFormat: true }) });

const command = await client.start({ cmd: "echo", args: ["hello from fetch"] });
for await (const event of command) {
  if (event.kind === "stdout") console.log(new TextDecoder().decode(event.data).trim());
}
client.close();
