// A program of its own, so that the clients of floods do not delay it: `node health.mjs URL COUNT` prints the milliseconds of
// each health check, as JSON, over one keep-alive connection.

import { checkHealth } from "./check-health.mjs";
import { openHttp1 } from "./http1.mjs";

const [url = "", count = "0"] = process.argv.slice(2);
const connection = openHttp1(url);
const times = [];
for (let n = 0; n < Number(count); n++) {
  const startedMs = performance.now();
  await checkHealth(connection);
  times.push(performance.now() - startedMs);
}
connection.close();
console.log(JSON.stringify(times));
