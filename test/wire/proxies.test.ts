// The agent behind real proxies, with the configurations of examples/proxies and with nginx's defaults:
// output arrives at once, silent streams stay open, and a client resumes after the proxy has ended its
// connections.

import { beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { createClient } from "../../src/client/index.ts";
import { type RunningAgent, startAgent } from "../support/agent/agent.ts";
import { killAll, plainClient } from "../support/agent/running-processes.ts";
import { openGrpcClient } from "../support/clients/grpc-client.ts";
import { exampleConfig, hasProxy, type ProxyName, startProxy } from "../support/network/reverse-proxy.ts";
import { sideBySide } from "../support/side-by-side.ts";

vi.setConfig({ testTimeout: 60_000 });

/** As short as the proxies' own timeouts in the tests of silent streams. */
const PROXY_TIMEOUT = "3s";
const KEEPALIVES = 5;

let agent: RunningAgent;

beforeAll(async () => {
  agent = await startAgent({ args: ["--keepalive", "1s"] });
  return async () => {
    await killAll(agent.url);
    await agent.stop();
  };
});

const nginxDefaults = `
events {}
http {
  server {
    listen 127.0.0.1:8080;
    location / {
      proxy_pass http://127.0.0.1:49983;
    }
  }
}
`;

interface Setup {
  readonly name: string;
  readonly proxy: ProxyName;
  readonly config: string;
  /** The same with PROXY_TIMEOUT in place of the timeouts. */
  readonly impatient: string;
  readonly hasHttp2: boolean;
}

const shortened = (config: string) =>
  config.replace(/(timeout\w*(?: client| server)? )1h/g, `$1${PROXY_TIMEOUT}`);

const setups: readonly Setup[] = [
  {
    name: "nginx with its default settings",
    proxy: "nginx",
    config: nginxDefaults,
    impatient: nginxDefaults.replace("proxy_pass", `proxy_read_timeout ${PROXY_TIMEOUT};\n proxy_pass`),
    hasHttp2: false,
  },
  {
    name: "nginx",
    proxy: "nginx",
    config: exampleConfig("nginx.conf"),
    impatient: shortened(exampleConfig("nginx.conf")),
    hasHttp2: true,
  },
  {
    name: "haproxy",
    proxy: "haproxy",
    config: exampleConfig("haproxy.cfg"),
    impatient: shortened(exampleConfig("haproxy.cfg")),
    hasHttp2: true,
  },
  {
    name: "caddy",
    proxy: "caddy",
    config: exampleConfig("Caddyfile"),
    impatient: exampleConfig("Caddyfile").replaceAll(
      "header_up Host localhost",
      `header_up Host localhost\n transport http {\n read_timeout ${PROXY_TIMEOUT}\n versions h2c 1.1\n }`,
    ),
    hasHttp2: true,
  },
];

const ask = { process: { cmd: "bash", args: ["-c", "echo first; read line; echo $line"] }, stdin: true };

for (const { name, proxy, config, hasHttp2 } of setups) {
  const isThere = hasProxy(proxy);

  describe.runIf(isThere)(`behind ${name}`, () => {
    test("output arrives while its process waits for input", async () => {
      const { url } = await startProxy(proxy, config, { agentPort: agent.port });
      const client = plainClient(url);
      const output: string[] = [];
      let pid = 0;
      for await (const { event } of client.start(ask)) {
        if (event?.event.case === "start") pid = event.event.value.pid;
        if (event?.event.case !== "data" || event.event.value.output.value === undefined) continue;
        output.push(Buffer.from(event.event.value.output.value).toString());
        if (output.length === 1)
          await client.sendInput({
            process: { selector: { case: "pid", value: pid } },
            input: { input: { case: "stdin", value: Buffer.from("second\n") } },
          });
      }
      expect(output).toEqual(["first\n", "second\n"]);
    });

    test.runIf(hasHttp2)("output arrives over gRPC while its process waits for input", async () => {
      const { http2Port } = await startProxy(proxy, config, { agentPort: agent.port });
      const client = openGrpcClient(http2Port);
      const output: string[] = [];
      let pid = 0;
      for await (const { event } of client.stream("start", ask)) {
        if (event?.event.case === "start") pid = event.event.value.pid;
        if (event?.event.case !== "data" || event.event.value.output.value === undefined) continue;
        output.push(Buffer.from(event.event.value.output.value).toString());
        if (output.length === 1)
          await client.unary("sendInput", { process: { pid }, input: { stdin: Buffer.from("second\n") } });
      }
      expect(output).toEqual(["first\n", "second\n"]);
    });

    test("a client whose proxy is restarted continues at the same byte", async () => {
      const { url, restart } = await startProxy(proxy, config, { agentPort: agent.port });
      const client = createClient({ baseUrl: url, reconnect: { initialDelayMs: 20, maxDelayMs: 200 } });
      onTestFinished(() => client.close());
      const cat = await client.start({ cmd: "cat", stdin: true });
      await cat.write("before\n");
      let output = "";
      for await (const event of cat) {
        if (event.kind !== "stdout") continue;
        output += Buffer.from(event.data).toString();
        if (output === "before\n") {
          await restart();
          await cat.write("after\n");
          await cat.closeStdin();
        }
      }
      expect(output).toBe("before\nafter\n");
      expect(await cat.exit).toMatchObject({ status: "exit status 0" });
    });
  });
}

const present = setups.filter(({ proxy }) => hasProxy(proxy));

test("a silent stream outlives the proxy's timeout, without any wish of its client, behind each of them", () =>
  sideBySide(
    present.map((setup) => [setup.name, setup]),
    async ({ proxy, impatient }) => {
      const { url } = await startProxy(proxy, impatient, { agentPort: agent.port });
      const client = plainClient(url);
      const kinds: string[] = [];
      let pid = 0;
      for await (const { event } of client.start({ process: { cmd: "cat" }, stdin: true })) {
        kinds.push(event?.event.case ?? "none");
        if (event?.event.case === "start") pid = event.event.value.pid;
        if (event?.event.case !== "keepalive") continue;
        if (kinds.filter((kind) => kind === "keepalive").length === KEEPALIVES)
          await client.closeStdin({ process: { selector: { case: "pid", value: pid } } });
      }
      expect(kinds.at(-1)).toBe("end");
      expect(kinds.filter((kind) => kind === "keepalive").length).toBeGreaterThanOrEqual(KEEPALIVES);
    },
  ));
