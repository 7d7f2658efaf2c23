// Rule 14: a transfer is not held, however long it is.

import { request } from "node:http";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startAgent } from "../../support/agent/agent.ts";
import { forgetPeakRss, peakRssBytes } from "../../support/proc/proc-activity.ts";
import { createTempFolder } from "../../support/temp-folder.ts";

const MB = 1_000_000;
const PIECE = Buffer.alloc(MB, "x");
/** Measured: 20 to 30 MB. As much as the content, if it were held. */
const MOST_GROWN_BYTES = 80 * MB;

function upload(port: number, path: string, pieces: number): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const call = request(
      {
        port,
        path: `/files?path=${encodeURIComponent(path)}`,
        method: "POST",
        headers: { "content-type": "application/octet-stream", "content-length": pieces * MB },
      },
      (response) => {
        response.resume().on("end", () => resolve(response.statusCode));
      },
    );
    call.on("error", reject);
    let sent = 0;
    const send = () => {
      while (sent < pieces) {
        sent++;
        if (!call.write(PIECE)) return;
      }
      call.end();
    };
    call.on("drain", send);
    send();
  });
}

test("an upload and a download of 300 MB take little memory", async () => {
  const agent = await startAgent({});
  const path = join(createTempFolder(), "large");
  expect(await upload(agent.port, path, 1)).toBe(200);
  const before = peakRssBytes(agent.pid);
  forgetPeakRss(agent.pid);
  expect(await upload(agent.port, path, 300)).toBe(200);
  expect(peakRssBytes(agent.pid) - before).toBeLessThan(MOST_GROWN_BYTES);
  const download = await fetch(`${agent.url}/files?path=${encodeURIComponent(path)}`);
  let bytes = 0;
  for await (const piece of download.body ?? []) bytes += (piece as Uint8Array).length;
  expect(bytes).toBe(300 * MB);
  expect(peakRssBytes(agent.pid) - before).toBeLessThan(MOST_GROWN_BYTES);
});
