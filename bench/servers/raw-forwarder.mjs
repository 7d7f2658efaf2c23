// The reference `raw`: the naive ceiling of Node. A child's stdout piped into an HTTP response, with no encoding,
// no stderr and no end event. Ends the response when the child is gone and its output is read.
//
//   node raw-forwarder.mjs --http http1|h2c        GET /?argv=["head","-c","10","/dev/zero"]

import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import { parseArgs } from "node:util";

const { values } = parseArgs({ options: { http: { type: "string", default: "http1" } } });
const server = values.http === "h2c" ? createHttp2Server(forward) : createServer(forward);
server.listen(0, "127.0.0.1", () => {
  const address = /** @type {import("node:net").AddressInfo} */ (server.address());
  console.log(`raw listening on http://127.0.0.1:${address.port}`);
});
process.once("SIGTERM", () => process.exit(0));

/** @param {{ url?: string }} request @param {import("node:stream").Writable} response */
function forward(request, response) {
  const { searchParams } = new URL(request.url ?? "/", "http://raw");
  const [file, ...args] = JSON.parse(searchParams.get("argv") ?? "[]");
  const child = spawn(file, args, { stdio: ["ignore", "pipe", "ignore"] });
  child.stdout.pipe(response, { end: false });
  child.once("close", () => response.end());
}
