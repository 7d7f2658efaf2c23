// Rule 21: O_NONBLOCK is never left on a pipe that other programs share. Node sets it on its stdin,
// stdout and stderr, which made neighbours in a pipeline fail with EAGAIN and lose data.

import { execFileSync, spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { cliPath, startAgent } from "../support/agent/agent.ts";
import { createTempFolder } from "../support/temp-folder.ts";

const O_NONBLOCK = 0o4000;

/**
 * The flags of descriptors 0, 1 and 2 of a shell that shares all three, as pipes, with `holdfast
 * ARGS` in the background, which has printed a line with `word`.
 */
function flagsBeside(args: string, word: string): number[] {
  const script = `
    mkfifo in out
    exec 3>&1 0<>in 1<>out 2>&1
    ${process.execPath} ${cliPath} ${args} <&0 &
    until [[ $line == *${word}* ]]; do read -r line <&1; done
    for fd in 0 1 2; do
      while read -r -u 4 line; do [[ $line == flags* ]] && echo "$line" >&3; done 4< /proc/$$/fdinfo/$fd
    done
    kill $!; wait $!; true
  `;
  const text = execFileSync("bash", ["-c", script], { encoding: "utf8", cwd: createTempFolder() });
  return [...text.matchAll(/flags:\s+(\d+)/g)].map(([, flags]) => Number.parseInt(flags ?? "", 8));
}

test("serve leaves the flags of descriptors that it shares alone", () => {
  const flags = flagsBeside("serve --port 0", "listening");
  expect(flags.map((value) => value & O_NONBLOCK)).toEqual([0, 0, 0]);
});

test("an attached client command leaves the flags of descriptors that it shares alone", async () => {
  const agent = await startAgent();
  const flags = flagsBeside(`run --url ${agent.url} -- sh -c 'echo ready; read -r line'`, "ready");
  expect(flags.map((value) => value & O_NONBLOCK)).toEqual([0, 0, 0]);
});

test("serve makes a shared socket blocking again when it ends", () => {
  // spawnSync gives the shell sockets. Of these, the agent shares stderr.
  const script = `
    mkfifo out
    ${process.execPath} ${cliPath} serve --port 0 > out &
    agent=$!
    read -r listening < out
    nonblocking() { while read -r name value; do [[ $name == flags: ]] && echo $((8#$value & 8#4000)); done < /proc/$$/fdinfo/2; }
    echo "meanwhile: $(nonblocking)"
    kill $agent; wait $agent
    echo "after: $(nonblocking)"
  `;
  const { stdout } = spawnSync("bash", ["-c", script], { encoding: "utf8", cwd: createTempFolder() });
  expect(stdout).toMatch(/^meanwhile: [1-9]\d*\nafter: 0$/m);
});
