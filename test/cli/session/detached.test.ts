// `run --detach` takes no output: what the process writes at once is for the first client that attaches.
import { expect, test } from "vitest";
import { createClient } from "../../../src/client/index.ts";
import { agentForFile } from "../../client/file-agent.ts";
import { sideBySide } from "../../support/side-by-side.ts";
import { finished, holdfast, untilProcess } from "../holdfast.ts";

const agent = agentForFile({ args: ["--max-retained", "1000"] });

test("attach shows every byte that a process wrote before run --detach left, 200 times", {
  timeout: 120_000,
}, async () => {
  // The request of the command, without Node's start: what it reads is in the next test.
  const client = createClient({ baseUrl: agent.url });
  try {
    for (let round = 0; round < 200; round++) {
      const onPty = round % 3 === 0;
      const started = await client.start({
        ...{ cmd: "sh", args: ["-c", "echo early; read x; echo late"], stdin: true, endOnly: true },
        ...(onPty ? { pty: { cols: 80, rows: 24 } } : {}),
        output: { detached: round % 2 === 0 ? "ring" : "buffer" },
      });
      // Its output can arrive as long as this stream is attached.
      await expect
        .poll(async () => (await client.list({ process: started.processId }))[0]?.offset, { interval: 1 })
        .toBeGreaterThan(5);
      started.detach();
      const attached = await client.attach(started.processId);
      expect(attached.offset).toBe(0);
      await attached.write("\n");
      let text = "";
      for await (const event of attached)
        if (event.kind !== "gap") text += Buffer.from(event.data).toString();
      expect(text).toBe(onPty ? "early\r\n\r\nlate\r\n" : "early\nlate\n");
    }
  } finally {
    client.close();
  }
});

test("the same with the commands themselves, with -i and with -t also", { timeout: 60_000 }, async () => {
  const flags: readonly (readonly [string, readonly string[]])[] = [
    ["plain", []],
    ["with -i", ["-i"]],
    ["with -t", ["-t"]],
    ["with -it", ["-it"]],
    ["with buffer", ["--while-detached", "buffer"]],
    ["with --rm", ["--rm"]],
  ];
  const rounds = [0, 1, 2, 3].flatMap((round) =>
    flags.map(([name, more]) => [`${name} ${round}`, more] as const),
  );
  for (let at = 0; at < rounds.length; at += 6) {
    await sideBySide(rounds.slice(at, at + 6), async (more, tag) => {
      const left = await finished(holdfast(agent.url, ["run", "-d", "--tag", tag, ...more, "seq", "1000"]));
      expect(left.code).toBe(0);
      await untilProcess(agent.url, tag, { exit: expect.anything() });
      const { code, stdout } = await finished(holdfast(agent.url, ["attach", "--no-stdin", tag]));
      expect(code).toBe(0);
      expect(stdout.replaceAll("\r", "")).toBe(
        Array.from({ length: 1000 }, (_, line) => `${line + 1}\n`).join(""),
      );
    });
  }
});
