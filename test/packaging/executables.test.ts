// The single executables (npm run build:binary): their size, their memory, and commands on arm64.

import { existsSync, readFileSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createClient as createRpcClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { describe, expect, onTestFinished, test } from "vitest";
import { createClient } from "../../src/client/index.ts";
import { Filesystem } from "../../src/gen/filesystem_pb.ts";
import { cliPath, startAgent } from "../support/agent/agent.ts";
import { plainClient } from "../support/agent/running-processes.ts";
import { requestUpgrade, upgrade, upgradeStatus, versionThat } from "../support/agent/upgrade.ts";
import { receive } from "../support/clients/received-events.ts";
import { openWatch } from "../support/clients/watch-stream.ts";
import { eventually } from "../support/proc/proc.ts";
import { createTempFolder } from "../support/temp-folder.ts";
import { onArm64, whyNoArm64 } from "./emulated.ts";

const MB = 1e6;
const folder = join(import.meta.dirname, "../../dist-binary");
const executable = (arch: string) => join(folder, `holdfast-linux-${arch}`);

const own = executable(process.arch);
const reason = existsSync(own) ? undefined : `${own} is not built (npm run build:binary)`;
if (reason !== undefined) process.stderr.write(`executables: SKIPPED, ${reason}\n`);

describe.skipIf(reason !== undefined)("the executable", () => {
  test("of each architecture takes at most 95 MB", () => {
    for (const arch of ["x64", "arm64"])
      expect(statSync(executable(arch)).size, arch).toBeLessThanOrEqual(95 * MB);
  });

  test("needs at most 60 MB of memory right after its start", async () => {
    const agent = await startAgent({ program: [own] });
    // Before the idle time is over, after which it returns more.
    await expect.poll(() => residentBytes(agent.pid), { timeout: 3_000 }).toBeLessThanOrEqual(60 * MB);
  });

  test("needs at most 60 MB of memory when it is idle", async () => {
    const agent = await startAgent({ program: [own] });
    const resident = () => residentBytes(agent.pid);
    await eventually(
      "it returns the memory of its code",
      () => resident() <= 60 * MB,
      () => `${resident() / MB} MB`,
    );
  });

  test("below nohup survives SIGHUP, and its processes ignore it too", async () => {
    const agent = await startAgent({ program: ["sh", "-c", 'trap "" HUP; exec "$0" "$@"', own] });
    agent.kill("SIGHUP");
    const client = createClient({ baseUrl: agent.url });
    onTestFinished(() => client.close());
    const started = await client.start({ cmd: "grep", args: ["SigIgn", "/proc/self/status"] });
    let text = "";
    for await (const event of started) if (event.kind !== "gap") text += Buffer.from(event.data).toString();
    expect(text).toBe("SigIgn:\t0000000000000001\n");
  });

  test("takes over from the npm package and gives back to it, and processes, streams and watches continue", async () => {
    const agent = await startAgent();
    const client = createClient({ baseUrl: agent.url });
    onTestFinished(() => client.close());
    const folder = createTempFolder();
    const files = createRpcClient(
      Filesystem,
      createConnectTransport({ baseUrl: agent.url, httpVersion: "1.1", useBinaryFormat: false }),
    );
    const watch = await openWatch(files, { path: folder });
    const cat = await client.start({ cmd: "cat", stdin: true });
    const received = receive(
      plainClient(agent.url).connect({ process: { selector: { case: "processId", value: cat.processId } } }),
    );
    await received.started();
    let expected = "";
    for (const [index, to] of [own, cliPath, own, own, cliPath].entries()) {
      await upgrade(agent, to);
      writeFileSync(join(folder, `${index}`), "");
      await cat.write(`${index}\n`);
      expected += `${index}\n`;
      await received.until(() => received.text("stdout") === expected);
      await watch.until((names) => names.includes(`CREATE ${index}`));
      const exe = readlinkSync(`/proc/${agent.pid}/exe`);
      expect(exe === own).toBe(to === own);
    }
    expect(watch.names()).toEqual([0, 1, 2, 3, 4].map((index) => `CREATE ${index}`));
    await cat.signal("SIGKILL");
  });

  test("continues if the next version fails after the exec", async () => {
    const agent = await startAgent({ program: [own] });
    const client = createClient({ baseUrl: agent.url });
    onTestFinished(() => client.close());
    const received = receive(
      plainClient(agent.url).start({ process: { cmd: "cat" }, stdin: true, tag: "cat" }),
    );
    await received.started();
    const to = versionThat(
      'require("node:net").Server.prototype.listen = () => { throw new Error("made to fail"); };',
    );
    expect((await requestUpgrade(agent.url, JSON.stringify({ to }))).status).toBe(202);
    await eventually(
      "given back",
      async () => (await upgradeStatus(agent.url)).failure !== undefined,
      agent.stderr,
    );
    await plainClient(agent.url).sendInput({
      process: { selector: { case: "tag", value: "cat" } },
      input: { input: { case: "stdin", value: Buffer.from("here\n") } },
    });
    await received.until(() => received.text("stdout") === "here\n");
  });

  test("maps its code in small pages only", async () => {
    const agent = await startAgent({ program: [own] });
    const rollup = readFileSync(`/proc/${agent.pid}/smaps_rollup`, "utf8");
    expect(rollup).toMatch(/^FilePmdMapped:\s+0 kB$/m);
  });
});

const noArm64 = reason ?? whyNoArm64();
if (noArm64 !== undefined) process.stderr.write(`executable of arm64: SKIPPED, ${noArm64}\n`);

test.skipIf(noArm64 !== undefined)(
  "the executable of arm64 runs commands on pipes and on terminals, through its launcher",
  { timeout: 120_000 },
  async () => {
    const agent = await startAgent({ program: [...onArm64, executable("arm64")], deadlineMs: 60_000 });
    const client = createClient({ baseUrl: agent.url });
    onTestFinished(() => client.close());
    const output = async (args: string[], pty?: { cols: number; rows: number }) => {
      const started = await client.start({ cmd: "/bin/sh", args, ...(pty && { pty }) });
      let text = "";
      for await (const event of started) if (event.kind !== "gap") text += Buffer.from(event.data).toString();
      expect(await started.exit).toMatchObject({ exitCode: 3 });
      return text;
    };
    expect(await output(["-c", "echo on pipes; exit 3"])).toBe("on pipes\n");
    const size = "test -t 0 && stty size; exit 3";
    expect(await output(["-c", size], { cols: 132, rows: 43 })).toBe("43 132\r\n");
  },
);

function residentBytes(pid: number): number {
  const [, kib = ""] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kib) * 1024;
}
