// A shell on a terminal: resize it, write to it, read it.

import { createClient } from "holdfast/client";

const client = createClient({ baseUrl: process.env.HOLDFAST_URL ?? "http://127.0.0.1:49983" });

const shell = await client.start({
  cmd: "bash",
  args: ["--norc"],
  env: { PS1: "$ " },
  pty: { cols: 80, rows: 24 },
});
await shell.resize({ cols: 120, rows: 40 });
await shell.write("stty size; exit\n");

let screen = "";
for await (const event of shell) {
  if (event.kind === "pty") screen += new TextDecoder().decode(event.data);
}
console.log(screen.includes("40 120") ? "the terminal has 40 rows and 120 columns" : screen);
client.close();
