// The HTTP/1.1 client: one keep-alive connection, one exchange at a time, on a plain socket that
// reads into one reused buffer. Written by hand because fetch and node:http cost more per byte than
// the servers that they would measure.

import { connect } from "node:net";
import { createResponseReader } from "./http1-response.mjs";

/**
 * With a smaller buffer reads are split, with a larger one the buffer leaves the L2 cache (64 KiB
 * and 1 MiB: 11 and 8 % slower).
 */
const readBytes = 256 * 1024;

/**
 * Node's servers close a connection that was idle for 5 s. An older one may be gone when the
 * request arrives.
 */
const trustIdleMs = 1_000;

/**
 * @typedef {{ method: string, path: string, headers: Record<string, string>, body?: Buffer }}
 * Request
 *
 * @typedef {object} Connection
 * @property {() => Promise<void>} ready  opens or renews the connection, so that the next exchange
 * does not pay for it
 * @property {(request: Request, onBody: import("./http1-response.mjs").OnBody) => Promise<number>}
 * exchange
 * resolves with the status when the response is complete; rejects when the connection fails before
 * @property {(reason?: Error) => void} close  ends it; an exchange under way rejects with the
 * reason
 */

/** @param {string} url @returns {Connection} */
export function openHttp1(url) {
  const { hostname, port, host } = new URL(url);
  /** @type {import("node:net").Socket | undefined} */
  let socket;
  /** @type {{ read: (bytes: Buffer) => void, reject: (error: Error) => void } | undefined} */
  let current;
  let idleSince = 0;
  return { ready, exchange, close };

  async function ready() {
    if (socket !== undefined && !socket.destroyed && performance.now() - idleSince < trustIdleMs) return;
    socket?.destroy();
    socket = await openSocket();
    idleSince = performance.now();
  }

  /**
   * @param {Request} request @param {import("./http1-response.mjs").OnBody} onBody @returns
   * {Promise<number>}
   */
  async function exchange(request, onBody) {
    if (socket === undefined || socket.destroyed) await ready();
    return new Promise((resolve, reject) => {
      const reader = createResponseReader(onBody, (status) => {
        current = undefined;
        idleSince = performance.now();
        resolve(status);
      });
      current = { read: reader.read, reject };
      socket?.cork();
      socket?.write(serialize(request));
      if (request.body !== undefined) socket?.write(request.body);
      socket?.uncork();
    });
  }

  /** @param {Error} [reason] */
  function close(reason) {
    socket?.destroy(reason);
  }

  /** @returns {Promise<import("node:net").Socket>} */
  function openSocket() {
    return new Promise((resolve, reject) => {
      const buffer = Buffer.allocUnsafeSlow(readBytes);
      const opened = connect({
        host: hostname,
        port: Number(port),
        noDelay: true,
        onread: { buffer, callback },
      });
      opened.once("connect", () => resolve(opened));
      // A replaced connection may close when the next one is already in use.
      const abandonIfCurrent = (/** @type {Error} */ error) => {
        if (socket === undefined || socket === opened) abandon(error);
      };
      opened.on("error", (error) => {
        reject(error);
        abandonIfCurrent(error);
      });
      opened.on("close", () =>
        abandonIfCurrent(new Error("the server closed the connection before the response was complete")),
      );

      /** @param {number} length */
      function callback(length) {
        try {
          if (current === undefined) throw new Error("the server sent bytes nobody asked for");
          current.read(buffer.subarray(0, length));
        } catch (error) {
          opened.destroy(/** @type {Error} */ (error));
        }
        return true;
      }
    });
  }

  /** @param {Error} error */
  function abandon(error) {
    current?.reject(error);
    current = undefined;
  }

  /** The request without its body. @param {Request} request */
  function serialize({ method, path, headers, body }) {
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    if (body !== undefined) lines.push(`Content-Length: ${body.length}\r\n`);
    return Buffer.from(`${method} ${path} HTTP/1.1\r\nHost: ${host}\r\n${lines.join("")}\r\n`, "latin1");
  }
}
