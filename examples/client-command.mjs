// A command: its output as it arrives, then its exit.

import { createClient } from "holdfast/client";

const client = createClient({ baseUrl: process.env.HOLDFAST_URL ?? "http://127.0.0.1:49983" });

const command = await client.start({
  cmd: "bash",
  args: ["-c", "echo hello from $NAME; echo oops >&2; exit 3"],
  env: { NAME: "holdfast" },
});
for await (const event of command) {
  if (event.kind !== "gap") console.log(event.kind, new TextDecoder().decode(event.data).trim());
}
const { exitCode, status } = await command.exit;
console.log(exitCode, status);
client.close();
