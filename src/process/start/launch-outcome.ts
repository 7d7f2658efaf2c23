// Waits for the report of the launcher, up to a time limit: the child has executed its command, has
// failed, or hangs on a file system that does not answer.

import { startTimer } from "../../clock.ts";
import { type Fd, type LaunchReport, readReport } from "../../linux/index.ts";
import { openPipeReader } from "../io/fd-stream.ts";

/** A letter for each step, a failure, and the longest path. */
const MAX_REPORT_BYTES = 8192;

export interface LaunchOutcome {
  readonly kind: "reported" | "timed out" | "aborted";
  readonly report: LaunchReport;
}

/** Owns `fd`, the report of a launch. Resolves at its end, after `timeoutMs` or at `abort`. */
export function launchOutcome(fd: Fd, timeoutMs: number, abort: AbortSignal): Promise<LaunchOutcome> {
  return new Promise((resolve) => {
    const buffer = Buffer.allocUnsafe(MAX_REPORT_BYTES);
    let bytes = 0;
    const stream = openPipeReader(fd, {
      buffer: () => buffer.subarray(bytes),
      callback: (read) => {
        bytes += read;
        return bytes < buffer.length;
      },
    });
    const settle = (kind: LaunchOutcome["kind"]) => {
      timer.cancel();
      abort.removeEventListener("abort", onAbort);
      stream.destroy();
      resolve({ kind, report: readReport(buffer.subarray(0, bytes)) });
    };
    const onAbort = () => settle("aborted");
    const timer = startTimer(timeoutMs, () => settle("timed out"));
    abort.addEventListener("abort", onAbort, { once: true });
    stream.on("end", () => settle("reported")).on("error", () => settle("reported"));
    stream.resume();
  });
}
