// Leave a process, return, and continue at the same byte.

import { createClient } from "holdfast/client";

const baseUrl = process.env.HOLDFAST_URL ?? "http://127.0.0.1:49983";
const text = (event) => new TextDecoder().decode(event.data);

const client = createClient({ baseUrl });
const counter = await client.start({
  cmd: "bash",
  args: ["-c", "for i in 1 2 3; do echo line $i; read; done; exit 0"],
  stdin: true,
});
for await (const event of counter) {
  console.log("first client:", text(event).trim());
  break; // the loop's place is kept
}
const { processId, offset } = counter;
client.close(); // the process runs on

const later = createClient({ baseUrl });
const again = await later.attach(processId, { fromOffset: offset });
await again.write("go on\n");
for await (const event of again) {
  console.log(`second client, at byte ${event.offset}:`, text(event).trim());
  if (again.offset < 21) await again.write("go on\n");
  else await again.closeStdin();
}
console.log((await again.exit).status);
later.close();
