// Which form of a file a client gets, by its Accept-Encoding.

import { expect, test } from "vitest";
import { acceptedEncoding } from "../../../src/control/console/accepted-encoding.ts";

test.each([
  [null, undefined],
  ["", undefined],
  ["gzip, deflate, br", "br"],
  ["gzip;q=1.0, br;q=0.1", "gzip"],
  ["br;q=0.5, gzip;q=0.5", "br"],
  ["*", "br"],
  ["*;q=0.5, br;q=0", "gzip"],
  ["*;q=0", undefined],
  ["br;q=0, gzip;q=0", undefined],
  ["identity, br;q=0.5", undefined],
  ["identity;q=0.5, GZIP", "gzip"],
  ["identity;q=0, br", "br"],
  ["br, identity", "br"],
])("%s gets %s", (header, expected) => {
  expect(acceptedEncoding(header, ["br", "gzip"])).toBe(expected);
});

test("a file without compressed forms is sent as it is", () => {
  expect(acceptedEncoding("br, gzip", [])).toBeUndefined();
});
