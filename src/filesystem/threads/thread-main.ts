// The program of a file thread: takes its identity, then does one operation after the other. It
// shares the agent's descriptors and nothing else.

import { isMainThread, parentPort, workerData } from "node:worker_threads";
import { HoldfastError } from "../../errors.ts";
import { setThreadUmask, takeFileIdentity } from "../../linux/index.ts";
import { errnoOf, FileError, pathError } from "../file-error.ts";
import {
  type AnswerMessage,
  type CallMessage,
  GIVEN_UP,
  MAX_WAITING_PARTS,
  STEPS,
  TAKEN_PARTS,
  type ThreadSettings,
} from "./messages.ts";
import { operations } from "./operations.ts";
import { useSharedSpools } from "./own-spools.ts";

/** For new files and directories, as for commands. */
const UMASK = 0o022;

/** How often a thread whose parts are not read checks whether its caller gave up. */
const GIVE_UP_CHECK_MS = 100;

type AnyOperation = (context: object, ...values: readonly unknown[]) => unknown;

function serve(port: NonNullable<typeof parentPort>, { identity, progress, spools }: ThreadSettings): void {
  useSharedSpools(spools);
  // The umask first: without capabilities the kernel may refuse unshare.
  setThreadUmask(UMASK);
  if (identity !== undefined) takeFileIdentity(identity);
  const counters = new Int32Array(progress);
  const answer = (message: AnswerMessage) => port.postMessage(message);
  let emitted = 0;
  port.on("message", ({ id, name, values }: CallMessage) => {
    const step = () => {
      Atomics.add(counters, STEPS, 1);
      if (Atomics.load(counters, GIVEN_UP) === id) throw new FileError("unavailable", "the caller gave up");
    };
    const emit = (part: unknown) => {
      answer({ kind: "part", id, part });
      emitted++;
      for (;;) {
        const taken = Atomics.load(counters, TAKEN_PARTS);
        // The counters are 32-bit numbers that start again.
        if (((emitted - taken) | 0) <= MAX_WAITING_PARTS) return;
        step();
        Atomics.wait(counters, TAKEN_PARTS, taken, GIVE_UP_CHECK_MS);
      }
    };
    const context = { step, emit };
    try {
      const operation = operations[name as keyof typeof operations] as AnyOperation;
      answer({ kind: "result", id, result: operation(context, ...values) });
    } catch (error) {
      answer(failure(id, name, error));
    }
  });
}

function failure(id: number, name: string, error: unknown): AnswerMessage {
  if (error instanceof HoldfastError) {
    const errno = error instanceof FileError ? error.errno : 0;
    return { kind: "error", id, code: error.code, message: error.message, errno };
  }
  const errno = errnoOf(error);
  if (errno === undefined) return { kind: "bug", id, error };
  const path = error instanceof Error && "path" in error ? String(error.path) : "a file";
  const { code, message } = pathError(name, path, errno);
  return { kind: "error", id, code, message, errno };
}

if (!isMainThread && parentPort !== null) serve(parentPort, workerData as ThreadSettings);
