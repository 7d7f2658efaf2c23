// A first session: E2B's own SDK against an agent on this machine.
//
//   npm start                                  # in one terminal
//   node examples/first-session.mjs            # in another
//
// Set E2B_SANDBOX_URL for an agent other than http://localhost:49983.

import { Sandbox } from "e2b";

const sandbox = await Sandbox.create({ debug: true });

const hello = await sandbox.commands.run("echo hello from $USER; echo oops > /dev/stderr");
console.log(hello.stdout.trim(), "|", hello.stderr.trim(), "| exit", hello.exitCode);

// Start a command in the background, leave it, find it again and write to it.
const background = await sandbox.commands.run("read name; echo it was $name", {
  background: true,
  stdin: true,
});
await background.disconnect();
const again = await sandbox.commands.connect(background.pid);
await sandbox.commands.sendStdin(again.pid, "holdfast\n");
console.log((await again.wait()).stdout.trim());

// A terminal.
let screen = "";
const terminal = await sandbox.pty.create({
  cols: 80,
  rows: 24,
  onData: (data) => {
    screen += new TextDecoder().decode(data);
  },
});
await sandbox.pty.sendInput(terminal.pid, new TextEncoder().encode("stty size; exit\n"));
await terminal.wait();
console.log(screen.includes("24 80") ? "the terminal has 24 rows and 80 columns" : screen);
