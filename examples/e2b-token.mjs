// E2B's SDK with an agent that has an access token, at any URL.
//
//   HOLDFAST_URL=http://127.0.0.1:49983 AGENT_TOKEN=… node examples/e2b-token.mjs

import { Sandbox } from "e2b";

const sandbox = new Sandbox({
  sandboxId: "mine", // any name: no service looks it up
  envdVersion: "0.6.0", // the SDK switches features on by it
  envdAccessToken: process.env.AGENT_TOKEN,
  sandboxUrl: process.env.HOLDFAST_URL,
  debug: true, // do not ask api.e2b.app for the sandbox
});

const { stdout, exitCode } = await sandbox.commands.run("echo hello", { timeoutMs: 0 });
console.log(stdout.trim(), exitCode);

const { pid } = await sandbox.commands.run("sleep 60", { background: true });
console.log((await sandbox.commands.list()).map((process) => process.cmd));
console.log(await sandbox.commands.kill(pid));
