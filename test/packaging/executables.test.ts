// The single executables (npm run build:binary): their size, their memory, and commands on arm64.

import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { createClient } from "../../src/client/index.ts";
import { startAgent } from "../support/agent/agent.ts";
import { eventually } from "../support/proc/proc.ts";
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
