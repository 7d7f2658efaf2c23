// The client handles lost connections by itself; onState reports them.

import { createClient, ProcessGoneError } from "holdfast/client";

const client = createClient({ baseUrl: process.env.HOLDFAST_URL ?? "http://127.0.0.1:49983" });

const leaving = new AbortController();
const sleeper = await client.start(
  { cmd: "sleep", args: ["60"], timeoutMs: 30_000 },
  {
    signal: leaving.signal,
    onState: (state) => {
      if (state.kind === "connected") console.log("connected at byte", state.offset);
      if (state.kind === "reconnecting") console.log(`lost (${state.reason.message}); try ${state.attempt}`);
      if (state.kind === "gone") console.log("gone:", state.error.message);
    },
  },
);
await sleeper.signal("SIGTERM");
console.log((await sleeper.discardOutput()).signal);

await client
  .attach({ tag: "nobody" })
  .catch((error) => console.log(error instanceof ProcessGoneError, error.code));
leaving.abort(); // too late to matter: it has ended
client.close();
