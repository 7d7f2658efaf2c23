// The client of sshd: `ssh` over the connection that servers/sshd.mjs opened, one process per
// command.

import { spawn } from "node:child_process";

/** @param {string} url @returns {import("./http1.mjs").Connection} */
export function openSsh(url) {
  const config = url.replace(/^ssh:\/\//, "");
  /** @type {import("node:child_process").ChildProcess | undefined} */
  let child;
  return { ready: () => Promise.resolve(), exchange, close: () => void child?.kill("SIGKILL") };

  /**
   * The body is the command line. Resolves with 200 when the command has exited with 0.
   * @param {import("./http1.mjs").Request} request
   * @param {import("./http1-response.mjs").OnBody} onBody
   * @returns {Promise<number>}
   */
  function exchange({ path, body }, onBody) {
    return new Promise((resolve, reject) => {
      const tty = path === "pty" ? ["-tt"] : [];
      child = spawn("ssh", ["-F", config, ...tty, "bench", String(body)], {
        stdio: ["ignore", "pipe", "ignore"],
      });
      child.stdout?.on("data", (/** @type {Buffer} */ bytes) => onBody(bytes, 0, bytes.length));
      child.once("error", reject);
      child.once("close", (code) =>
        code === 0 ? resolve(200) : reject(new Error(`ssh ended with ${code}`)),
      );
    });
  }
}
