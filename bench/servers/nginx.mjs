// Debian's nginx, one process without a master, with its WebDAV module for PUT. It does not say that it listens, so a shell
// says it for it.

import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { launch } from "./launch.mjs";
import { scratchPath } from "./scratch.mjs";

/** Undefined if it can be started. @returns {string | undefined} */
export function nginxProblem() {
  const { status, stderr } = spawnSync("nginx", ["-V"], { encoding: "utf8" });
  if (status !== 0) return "nginx is not installed (apt-get install nginx-light)";
  return stderr.includes("http_dav_module") ? undefined : "this nginx has no WebDAV module";
}

/** @param {string} root  what is served */
export async function startNginx(root) {
  const port = await freePort();
  const folder = scratchPath("nginx");
  mkdirSync(folder, { recursive: true });
  const conf = `${folder}/nginx.conf`;
  writeFileSync(
    conf,
    `user root; daemon off; master_process off; pid ${folder}/pid; error_log stderr;
events {}
http {
  access_log off; sendfile on; tcp_nopush on;
  client_max_body_size 0; client_body_temp_path ${root}/.nginx;
  server { listen 127.0.0.1:${port}; root ${root}; dav_methods PUT; create_full_put_path on; }
}
`,
  );
  const script = `echo "nginx listening on http://127.0.0.1:${port}"; exec nginx -c ${conf}`;
  return await launch("nginx", ["sh", "-c", script]);
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
