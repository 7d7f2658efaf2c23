// A separate process that reads one flooding process as fast as possible until it is killed,
// because reading in the suite would delay its measurements.
//
//   node flood.mjs URL

import { openClient } from "./open.mjs";

const client = openClient("connect", process.argv[2] ?? "", { http: "http1", codec: "binary" });
process.stdout.write("flooded\n");
await client.run(["head", "-c", String(Number.MAX_SAFE_INTEGER), "/dev/zero"], { deadlineMs: 600_000 });
