// A bash that runs commands one after another as the test tells it, by a fifo: so the test decides what is printed when,
// and how far a process may be ahead of its readers. For tests that may use node:child_process.

import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { closeSync, constants, existsSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { Output } from "../clients/stream-events.ts";
import { createTempFolder } from "../temp-folder.ts";
import { eventually } from "./proc.ts";

/** Its exit code, once it was told all. */
export const FED_SHELL_EXIT_CODE = 7;

export interface FedShell {
  /** For a StartRequest; on a pty, too, which then passes all bytes as they are. */
  readonly process: { readonly cmd: string; readonly args: string[]; readonly envs: Record<string, string> };
  /** One line. May be called before the shell is started, but not much: a fifo holds 64 KiB. */
  tell(command: string): void;
  /** Once it has done all it was told: what that printed is on its way, read or not. */
  isDone(): Promise<void>;
  /** That was all. The shell must have begun, or it waits for ever. */
  end(): void;
  /** What the same commands print on pipes, without an agent. After `end`. */
  runDirectly(): Promise<{ readonly stdout: Output; readonly stderr: Output }>;
}

const SCRIPT = `[ ! -t 0 ] || stty -opost; while read -r command; do eval "$command"; done < "$FEED"; exit ${FED_SHELL_EXIT_CODE}`;

/** Its shell ends at the latest with the test. */
export function createFedShell(): FedShell {
  const folder = createTempFolder();
  const fifo = join(folder, "commands");
  execFileSync("mkfifo", [fifo]);
  // Reading, too: then neither side waits for the other to open it.
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
