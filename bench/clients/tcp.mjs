// The client of the C forwarder: one connection per command, a line out, bytes in until the server
// closes.

import { connect } from "node:net";

const readBytes = 256 * 1024; // as in http1.mjs

/** @param {string} url @returns {import("./http1.mjs").Connection} */
export function openTcp(url) {
  const { hostname, port } = new URL(url);
  /** @type {import("node:net").Socket | undefined} */
  let socket;
  return { ready: () => Promise.resolve(), exchange, close };

  /**
   * Sends the body only, without method, path and headers. Resolves with 200 when the server
   * closes.
   * @param {import("./http1.mjs").Request} request
   * @param {import("./http1-response.mjs").OnBody} onBody
   * @returns {Promise<number>}
   */
  function exchange({ body }, onBody) {
    return new Promise((resolve, reject) => {
      const buffer = Buffer.allocUnsafeSlow(readBytes);
      const callback = (/** @type {number} */ length) => {
        onBody(buffer, 0, length);
        return true;
      };
      socket = connect({ host: hostname, port: Number(port), onread: { buffer, callback } });
      socket.on("error", reject);
      socket.on("end", () => resolve(200));
      if (body !== undefined) socket.write(body);
    });
  }

  /** @param {Error} [reason] */
  function close(reason) {
    socket?.destroy(reason);
  }
}
