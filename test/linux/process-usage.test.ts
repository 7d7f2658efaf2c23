// The usage of a process from /proc, compared with its work.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, onTestFinished, test } from "vitest";
import { type Pid, readProcessUsage } from "../../src/linux/index.ts";
import { eventually, rssBytes } from "../support/proc/proc.ts";

function child(script: string) {
  const started = spawn("bash", ["-c", script], { stdio: ["pipe", "pipe", "ignore"] });
  onTestFinished(() => void started.kill("SIGKILL"));
  return started;
}

test("the memory and CPU time of a process and its children are summed", async () => {
  const parent = child("(while :; do :; done) & echo $!; read line; kill $!; wait; echo gone; read line");
  const pid = parent.pid as Pid;
  await once(parent.stdout, "data");
  const usage = await readProcessUsage(pid);
  expect(usage?.processes).toBe(2);
  expect(usage?.residentBytes).toBeGreaterThan(rssBytes(pid) * 0.9);
  await eventually(
    "CPU time",
    async () => ((await readProcessUsage(pid))?.cpuMs ?? 0) >= 100,
    () => "below 100 ms",
  );
  parent.stdin.write("\n");
  await once(parent.stdout, "data");
  // The ended child was waited for: its time is the parent's.
  const later = await readProcessUsage(pid);
  expect(later?.processes).toBe(1);
  expect(later?.cpuMs).toBeGreaterThanOrEqual(100);
});

test("a process that does not exist has no usage", async () => {
  const ended = child("exit");
  await once(ended, "close");
  expect(await readProcessUsage(ended.pid as Pid)).toBeUndefined();
});
