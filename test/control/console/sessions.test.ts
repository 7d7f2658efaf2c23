// One-time codes and their sessions, with numbers that no real use reaches.

import { inspect } from "node:util";
import { expect, test } from "vitest";
import { ConsoleSessions } from "../../../src/control/console/sessions.ts";
import { digestOf } from "../../../src/http/index.ts";

function newSessions() {
  const lines: string[] = [];
  const log = (fields: object, message: string) => void lines.push(`${message} ${JSON.stringify(fields)}`);
  const logger = { debug: log, info: log, warn: log, error: log };
  return { sessions: new ConsoleSessions(logger), lines, logger };
}

const observe = { scope: "observe", process: undefined } as const;

test("a code opens one session, and its token has the scope and the process of the code", () => {
  const { sessions } = newSessions();
  const code = sessions.issueCode({ scope: "observe", process: "mine" });
  expect(code).toMatch(/^[\w-]{22}$/);
  const opened = sessions.openSession(code);
  expect(opened?.token).toMatch(/^hfs_[\w-]{43}$/);
  const grant = sessions.find(digestOf(opened?.token ?? ""));
  expect(grant).toBe(opened?.grant);
  expect([grant?.scopes, [...(grant?.processes ?? [])]]).toEqual([["observe"], ["mine"]]);
  expect(grant?.remainingMs).toBeGreaterThan(12 * 3_600_000 - 60_000);
  expect(sessions.openSession(code)).toBeUndefined();
  expect(sessions.openSession("")).toBeUndefined();
});

test("a code ends after a minute, and a session after twelve hours", () => {
  let nowMs = 5_000;
  const { logger } = newSessions();
  const sessions = new ConsoleSessions(logger, [], { nowMs: () => nowMs });
  const [early, late] = [sessions.issueCode(observe), sessions.issueCode(observe)];
  nowMs += 59_999;
  const opened = sessions.openSession(early);
  nowMs += 1;
  expect(sessions.openSession(late)).toBeUndefined();
  nowMs += 12 * 3_600_000 - 2;
  expect([opened?.grant.hasExpired, opened?.grant.remainingMs]).toEqual([false, 1]);
  nowMs += 1;
  expect(opened?.grant.hasExpired).toBe(true);
  sessions.issueCode(observe);
  expect(sessions.find(digestOf(opened?.token ?? ""))).toBeUndefined();
});

test("1,000 codes and tokens are all different", () => {
  const seen = new Set<string>();
  const { sessions } = newSessions();
  for (let round = 0; round < 1000; round++) {
    const code = sessions.issueCode(observe);
    seen.add(code);
    seen.add(sessions.openSession(code)?.token ?? "");
  }
  expect(seen.size).toBe(2000);
});

test("codes and tokens are neither logged nor kept", () => {
  const { sessions, lines } = newSessions();
  const unused = sessions.issueCode(observe);
  const code = sessions.issueCode(observe);
  const token = sessions.openSession(code)?.token ?? "";
  sessions.openSession("guessed-code");
  const shown = inspect(sessions, { showHidden: true, depth: 9 }) + JSON.stringify(sessions.save());
  for (const secret of [unused, code, token, "guessed-code"]) {
    expect(shown).not.toContain(secret);
    expect(lines.join("\n")).not.toContain(secret);
  }
  expect(lines.map((line) => line.replace(/ \{.*/, ""))).toEqual([
    "console code issued",
    "console code issued",
    "console code used",
    "console code refused: unknown, used or expired",
  ]);
});

test("at most 64 codes wait, and the oldest of 256 sessions makes room for a new one", () => {
  const { sessions } = newSessions();
  const codes = Array.from({ length: 64 }, () => sessions.issueCode(observe));
  expect(() => sessions.issueCode(observe)).toThrow("64 one-time codes wait to be used");
  const first = sessions.openSession(codes.pop() ?? "");
  let reason = "";
  first?.grant.onEnd((ended) => {
    reason = ended;
  });
  for (let more = 0; more < 255; more++) sessions.openSession(sessions.issueCode(observe));
  expect(reason).toBe("");
  sessions.openSession(codes.pop() ?? "");
  expect(reason).toBe("the access token was revoked");
  expect(sessions.find(digestOf(first?.token ?? ""))).toBeUndefined();
});

test("a code works in the next agent until its minute is over, and only once", () => {
  let nowMs = 5_000;
  const { logger } = newSessions();
  const next = () => new ConsoleSessions(logger, [], { nowMs: () => nowMs });
  const before = next();
  const [used, unused] = [before.issueCode(observe), before.issueCode({ scope: "admin", process: "mine" })];
  before.openSession(used);
  nowMs += 59_999;
  const [after, late] = [next(), next()];
  for (const sessions of [after, late]) sessions.restoreCodes(before.saveCodes());
  expect(after.openSession(used)).toBeUndefined();
  const grant = after.openSession(unused)?.grant;
  expect([grant?.scopes, [...(grant?.processes ?? [])]]).toEqual([["admin"], ["mine"]]);
  expect(after.openSession(unused)).toBeUndefined();
  nowMs += 1;
  expect(late.openSession(unused)).toBeUndefined();
  expect(late.saveCodes()).toEqual([]);
});

test("a new generation voids codes and sessions, and saved sessions go on in the next agent", () => {
  const { sessions } = newSessions();
  const [used, unused] = [
    sessions.issueCode({ scope: "observe", process: "a" }),
    sessions.issueCode(observe),
  ];
  const token = sessions.openSession(used)?.token ?? "";
  const saved = JSON.parse(JSON.stringify(sessions.save()));
  sessions.void();
  expect(sessions.find(digestOf(token))).toBeUndefined();
  expect(sessions.openSession(unused)).toBeUndefined();
  const next = new ConsoleSessions({ ...console }, saved);
  const grant = next.find(digestOf(token));
  expect([grant?.scopes, [...(grant?.processes ?? [])]]).toEqual([["observe"], ["a"]]);
});
