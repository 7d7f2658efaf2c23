// `holdfast inspect` and `holdfast version`.
import { expect, test } from "vitest";
import { agentForFile } from "../../client/file-agent.ts";
import { finished, holdfast, leave } from "../holdfast.ts";

const agent = agentForFile();

test("inspect prints everything about the processes that it is given, in their order", async () => {
  await leave(agent.url, "echo hi; exec sleep 1000", { tag: "one", env: { NAME: "value" }, bytes: 3 });
  await leave(agent.url, "exec sleep 1000", { tag: "two" });
  const { code, stdout, stderr } = await finished(holdfast(agent.url, ["inspect", "two", "one"]));
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const [two, one] = JSON.parse(stdout);
  expect(two.tag).toBe("two");
  expect(one).toMatchObject({
    tag: "one",
    state: "running",
    env: { NAME: "value" },
    offset: 3,
    end: null,
    usage: { cpu_ms: expect.any(Number), resident_bytes: expect.any(Number), processes: 1 },
  });
  expect(one.usage.resident_bytes).toBeGreaterThan(100_000);
});

test("inspect --format prints a line for each, and an unknown process is one line and exit code 1", async () => {
  await leave(agent.url, "exec sleep 1000", { tag: "one" });
  expect((await finished(holdfast(agent.url, ["inspect", "-f", "{{.Tag}} {{.State}}", "one"]))).stdout).toBe(
    "one running\n",
  );
  expect(await finished(holdfast(agent.url, ["inspect", "one", "nope"]))).toEqual({
    code: 1,
    stdout: "",
    stderr: 'holdfast: no process has the pid, tag or process_id "nope" (holdfast ps --all lists them)\n',
  });
});

test("version prints this command's version and the agent's", async () => {
  const { stdout } = await finished(holdfast(agent.url, ["version"]));
  expect(stdout).toMatch(/^client {2}0\.1\.0 \(Node [\d.]+\)\nagent {3}0\.1\.0 at http:\S+, for \d+\w\n$/);
  const described = JSON.parse((await finished(holdfast(agent.url, ["version", "--json"]))).stdout);
  expect(described).toMatchObject({
    client: { version: "0.1.0" },
    agent: { url: agent.url, version: "0.1.0" },
  });
});

test("version without an agent prints its own and exits with 1; with --client it does not ask", async () => {
  const nobody = "http://127.0.0.1:1";
  const alone = await finished(holdfast(nobody, ["version"]));
  expect(alone).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/^client {2}\S+ \(Node [\d.]+\)\n$/),
  });
  expect(await finished(holdfast(nobody, ["version", "--client"]))).toMatchObject({ code: 0, stderr: "" });
});
