// The reference `plain`: process.Process as one would write it in an afternoon with Connect-ES and
// child_process. Nothing is tuned and nothing is crippled: the library's adapter, an async
// generator over the child's output.
//
//   node plain-connect.mjs --http http1|h2c

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import { parseArgs } from "node:util";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { Process } from "../../dist/gen/process_pb.js";

const { values } = parseArgs({ options: { http: { type: "string", default: "http1" } } });
/** @type {Map<number | undefined, import("node:child_process").ChildProcess>} */
const children = new Map();
const service = { start, sendInput, streamInput, closeStdin };
const handler = connectNodeAdapter({ routes: (router) => router.service(Process, service) });
const server = values.http === "h2c" ? createHttp2Server(handler) : createServer(handler);
server.listen(0, "127.0.0.1", () => {
  const address = /** @type {import("node:net").AddressInfo} */ (server.address());
  console.log(`plain listening on http://127.0.0.1:${address.port}`);
});
process.once("SIGTERM", () => process.exit(0));

/** @param {import("../../dist/gen/process_pb.js").StartRequest} request */
async function* start({ process: config, stdin }) {
  const child = spawn(config?.cmd ?? "", config?.args ?? [], {
    env: { ...process.env, ...config?.envs },
    cwd: config?.cwd,
    stdio: [stdin === false ? "ignore" : "pipe", "pipe", "pipe"],
  });
  children.set(child.pid, child);
  child.once("exit", () => children.delete(child.pid));
  const exited = once(child, "exit"); // listen before the first yield: the child may be gone after it
  yield event("start", { pid: child.pid ?? 0 });
  for await (const [name, chunk] of merge({ stdout: child.stdout, stderr: child.stderr })) {
    yield event("data", { output: { case: name, value: chunk } });
  }
  const [code, signal] = await exited;
  const status = signal === null ? `exit status ${code}` : `signal: ${signal}`;
  yield event("end", { exitCode: code ?? -1, exited: signal === null, status });
}

/** @param {import("../../dist/gen/process_pb.js").SendInputRequest} request */
async function sendInput({ process: selector, input }) {
  await feed(children.get(pidOf(selector)), input);
  return {};
}

/** @param {AsyncIterable<import("../../dist/gen/process_pb.js").StreamInputRequest>} requests */
async function streamInput(requests) {
  let child;
  for await (const { event } of requests) {
    if (event.case === "start") child = children.get(pidOf(event.value.process));
    else if (event.case === "data") await feed(child, event.value.input);
  }
  return {};
}

/** @param {import("../../dist/gen/process_pb.js").CloseStdinRequest} request */
function closeStdin({ process: selector }) {
  children.get(pidOf(selector))?.stdin?.end();
  return {};
}

/**
 * @param {import("node:child_process").ChildProcess | undefined} child
 * @param {import("../../dist/gen/process_pb.js").ProcessInput | undefined} input
 */
async function feed(child, input) {
  const stdin = child?.stdin;
  if (stdin?.write(input?.input.value ?? "") === false) await once(stdin, "drain");
}

/** @param {import("../../dist/gen/process_pb.js").ProcessSelector | undefined} selector */
function pidOf(selector) {
  return selector?.selector.case === "pid" ? selector.selector.value : undefined;
}

/** @param {string} name @param {object} value */
function event(name, value) {
  return { event: { event: { case: name, value } } };
}

/**
 * Yields the chunks of both streams as they arrive. A stream waits while its chunk is sent. A race
 * of the two iterators would be shorter, but keeps every chunk alive until the silent stream ends:
 * 0.75 of the MB/s.
 * @param {Record<string, import("node:stream").Readable>} streams
 */
async function* merge(streams) {
  /** @type {[string, Buffer][]} */
  const chunks = [];
  let open = Object.keys(streams).length;
  /** @type {(value?: unknown) => void} */
  let wake = () => undefined;
  for (const [name, stream] of Object.entries(streams)) {
    stream.on("data", (chunk) => {
      stream.pause();
      chunks.push([name, chunk]);
      wake();
    });
    stream.on("end", () => {
      open--;
      wake();
    });
  }
  while (open > 0 || chunks.length > 0) {
    const next = chunks.shift();
    if (next === undefined) {
      await new Promise((resolve) => {
        wake = resolve;
      });
    } else {
      yield next;
      streams[next[0]]?.resume();
    }
  }
}
