// Files as one would serve them with Node's own streams: GET and PUT of a path, nothing checked.

import { createReadStream, createWriteStream, statSync } from "node:fs";
import { createServer } from "node:http";
import { pipeline } from "node:stream";

const server = createServer((request, response) => {
  const path = decodeURIComponent(request.url ?? "");
  if (request.method === "PUT") {
    pipeline(request, createWriteStream(path), (error) => {
      response.writeHead(error ? 500 : 201).end();
    });
    return;
  }
  response.writeHead(200, { "Content-Length": statSync(path).size });
  pipeline(createReadStream(path), response, () => undefined);
});
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("not a TCP address");
  process.stdout.write(`naive listening on http://127.0.0.1:${address.port}\n`);
});
process.on("SIGTERM", () => process.exit());
