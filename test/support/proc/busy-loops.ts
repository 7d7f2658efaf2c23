// Keeps every core busy, so that races have other outcomes than on an idle machine.

import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { onTestFinished } from "vitest";

/** Runs until the test is finished. */
export function loadAllCores(): void {
  for (let core = 0; core < availableParallelism(); core++) {
    // Ends by itself when the test process has gone without killing it.
    const script = `while kill -0 ${process.pid} 2>/dev/null; do i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; done`;
    const loop = spawn("sh", ["-c", script], { stdio: "ignore" });
    onTestFinished(() => void loop.kill("SIGKILL"));
  }
}
