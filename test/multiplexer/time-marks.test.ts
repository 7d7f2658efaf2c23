// When output was pushed: TimeMarks against a list of every push.
import fc from "fast-check";
import { expect, test } from "vitest";
import { offset } from "../../src/multiplexer/index.ts";
import { TimeMarks } from "../../src/multiplexer/time-marks.ts";

/** Pushes of one byte each at `times`; everything from `oldest` on is held. */
function filled(times: readonly number[], heldBytes: number, oldest = 0): TimeMarks {
  const marks = new TimeMarks();
  times.forEach((atMs, at) => {
    marks.add(offset(at), atMs, offset(oldest), heldBytes);
    marks.checkInvariants();
  });
  return marks;
}

test("few pushes each have their time, and a range begins with the time of its first byte", () => {
  const marks = filled([10, 20, 20, 40], 0);
  expect(marks.within(offset(0), offset(4))).toEqual([
    { offset: 0, atMs: 10, withinMs: 1 },
    { offset: 1, atMs: 20, withinMs: 1 },
    { offset: 3, atMs: 40, withinMs: 1 },
  ]);
  expect(marks.within(offset(2), offset(3))).toEqual([{ offset: 2, atMs: 20, withinMs: 1 }]);
  expect(new TimeMarks().within(offset(0), offset(9))).toEqual([]);
});

test("after any pushes, a byte was pushed at its mark or less than withinMs later", () => {
  const steps = fc.array(fc.integer({ min: 0, max: 5000 }), { minLength: 1, maxLength: 400 });
  fc.assert(
    fc.property(steps, fc.nat(20_000), fc.nat(300), (delays, heldBytes, behind) => {
      const marks = new TimeMarks();
      let now = 0;
      const pushed = delays.map((delay, at) => {
        now += delay;
        marks.add(offset(at), now, offset(Math.max(0, at - behind)), heldBytes);
        marks.checkInvariants();
        return now;
      });
      for (let at = Math.max(0, pushed.length - behind); at < pushed.length; at++) {
        const [mark] = marks.within(offset(at), offset(at + 1));
        expect(mark).toBeDefined();
        const lateMs = (pushed[at] ?? 0) - (mark?.atMs ?? 0);
        expect(lateMs).toBeGreaterThanOrEqual(0);
        expect(lateMs).toBeLessThan(mark?.withinMs ?? 0);
      }
    }),
  );
});

test("marks cost at most an eighth of the held output, and at most 128 KiB", () => {
  const seconds = Array.from({ length: 50_000 }, (_, at) => at * 1000);
  expect(filled(seconds, 16 * 1024).count * 16).toBeLessThanOrEqual(2048);
  expect(filled(seconds, 2 ** 30).count).toBeLessThanOrEqual(8192);
});

test("after a long quiet time, output that comes quickly has close marks again", () => {
  const marks = new TimeMarks();
  for (let at = 0; at < 100; at++) marks.add(offset(at), at * 60_000, offset(0), 0);
  // Everything before is dropped.
  for (let at = 100; at < 200; at++) marks.add(offset(at), 6_000_000 + at * 10, offset(at - 4), 0);
  expect(marks.within(offset(199), offset(200))[0]?.withinMs).toBeLessThanOrEqual(64);
});
