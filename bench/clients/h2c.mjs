// The HTTP/2 client without TLS: node:http2 with windows so large that the server never waits for them.

import { connect } from "node:http2";

const windowBytes = 16 * 1024 * 1024;

/** @param {string} url @returns {import("./http1.mjs").Connection} */
export function openH2c(url) {
  /** @type {import("node:http2").ClientHttp2Session | undefined} */
  let session;
  return { ready, exchange, close };

  async function ready() {
    if (session === undefined || session.closed || session.destroyed) session = await openSession(url);
  }

  /**
   * @param {import("./http1.mjs").Request} request
   * @param {import("./http1-response.mjs").OnBody} onBody
   * @returns {Promise<number>}
   */
  async function exchange({ method, path, headers, body }, onBody) {
    await ready();
    return new Promise((resolve, reject) => {
      if (session === undefined) throw new Error("ready opens the session");
      const stream = session.request({ ":method": method, ":path": path, ...lowerCased(headers) });
      let status = 0;
      stream.on("response", (response) => {
        status = response[":status"] ?? 0;
      });
      stream.on("data", (/** @type {Buffer} */ bytes) => {
        try {
          onBody(bytes, 0, bytes.length);
        } catch (error) {
          stream.destroy(/** @type {Error} */ (error));
        }
      });
      stream.on("trailers", ({ "grpc-status": code, "grpc-message": message }) => {
        if (code !== undefined && code !== "0")
          stream.destroy(new Error(`gRPC status ${code}: ${message ?? ""}`));
      });
      stream.on("end", () => resolve(status));
      stream.on("error", reject);
      stream.on("close", () =>
        reject(new Error("the server closed the stream before the response was complete")),
      );
      stream.end(body);
    });
  }

  /** @param {Error} [reason] */
  function close(reason) {
    session?.destroy(reason);
  }
}

/** @param {string} url @returns {Promise<import("node:http2").ClientHttp2Session>} */
function openSession(url) {
  return new Promise((resolve, reject) => {
    const opened = connect(url, { settings: { initialWindowSize: windowBytes, enablePush: false } });
    opened.once("connect", () => {
      opened.setLocalWindowSize(windowBytes);
      resolve(opened);
    });
    opened.on("error", reject); // after the connect it is its streams that report the error
    opened.once("close", () => reject(new Error("the server does not speak h2c")));
  });
}

/** HTTP/2 forbids upper case in header names. @param {Record<string, string>} headers */
function lowerCased(headers) {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}
