const request = { method: "GET", path: "/health", headers: {}, body: Buffer.alloc(0) };

/** @param {import("./http1.mjs").Connection} connection @returns {Promise<number>} the status */
export function checkHealth(connection) {
  return connection.exchange(request, () => undefined);
}
