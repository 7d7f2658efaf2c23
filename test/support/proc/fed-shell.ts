// A bash that runs the commands which the test writes to a fifo. So the test decides what is
// printed when, and how far a process may be ahead of its readers. For tests that may use
// node:child_process.

import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { closeSync, constants, existsSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { Output } from "../clients/stream-events.ts";
import { createTempFolder } from "../temp-folder.ts";
import { eventually } from "./proc.ts";

/** Its exit code after `end`. */
export const FED_SHELL_EXIT_CODE = 7;

export interface FedShell {
  /**
   * For a StartRequest. On a pty it turns off output processing, so that all bytes pass unchanged.
   */
  readonly process: { readonly cmd: string; readonly args: string[]; readonly envs: Record<string, string> };
  /**
   * Sends one line. It may be called before the shell runs, for at most 64 KiB: the size of a fifo.
   */
  tell(command: string): void;
  /** Resolves when all commands so far have run: their output is on its way, read or not. */
  isDone(): Promise<void>;
  /** Ends the shell. Call it only after the shell has started, or the shell waits forever. */
  end(): void;
  /** The output of the same commands on pipes, without an agent. Call it after `end`. */
  runDirectly(): Promise<{ readonly stdout: Output; readonly stderr: Output }>;
}

const SCRIPT = `[ ! -t 0 ] || stty -opost; while read -r command; do eval "$command"; done < "$FEED"; exit ${FED_SHELL_EXIT_CODE}`;

/** Its shell ends with the test at the latest. */
export function createFedShell(): FedShell {
  const folder = createTempFolder();
  const fifo = join(folder, "commands");
  execFileSync("mkfifo", [fifo]);
  // Opened for reading as well: then neither side waits for the other to open it.
  const fd = openSync(fifo, constants.O_RDWR);
  const told: string[] = [];
  let isOver = false;
  const end = () => {
    if (!isOver) closeSync(fd);
    isOver = true;
  };
  onTestFinished(end);
  const processReading = (feed: string) => ({ cmd: "bash", args: ["-c", SCRIPT], envs: { FEED: feed } });
  return {
    process: processReading(fifo),
    tell: (command) => {
      told.push(command);
      writeSync(fd, `${command}\n`);
    },
    isDone: async () => {
      const marker = join(folder, `done-${told.length}`);
      writeSync(fd, `: > ${marker}\n`);
      await eventually(
        "the shell did what it was told",
        () => existsSync(marker),
        () => told.at(-1),
      );
    },
    end,
    runDirectly: () => {
      const file = join(folder, "all-commands");
      writeFileSync(file, told.map((command) => `${command}\n`).join(""));
      return outputOf(processReading(file));
    },
  };
}

async function outputOf({
  cmd,
  args,
  envs,
}: FedShell["process"]): Promise<{ stdout: Output; stderr: Output }> {
  const child = spawn(cmd, args, { env: { ...process.env, ...envs }, stdio: ["ignore", "pipe", "pipe"] });
  const stdout = summary(child.stdout);
  const stderr = summary(child.stderr);
  const [code] = (await once(child, "close")) as [number];
  if (code !== FED_SHELL_EXIT_CODE) throw new Error(`bash ended with ${code} without an agent`);
  return { stdout: stdout(), stderr: stderr() };
}

function summary(stream: NodeJS.ReadableStream): () => Output {
  const hash = createHash("sha256");
  let bytes = 0;
  stream.on("data", (data: Buffer) => {
    bytes += data.length;
    hash.update(data);
  });
  return () => ({ bytes, sha256: hash.digest("hex") });
}
