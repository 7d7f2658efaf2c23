// Both ways to open a terminal, node-pty's addon and libc, keep the same contract. The tests of
// terminals run with either: HOLDFAST_PTY chooses.

import { execFileSync } from "node:child_process";
import { closeSync, readFileSync, readSync, writeSync } from "node:fs";
import { afterEach, describe, expect, test } from "vitest";
import { libcPty } from "../../src/linux/terminal/libc-pty.ts";
import { loadNativePty, type NativePty } from "../../src/linux/terminal/native-pty.ts";
import { choosePty } from "../../src/linux/terminal/pty.ts";
import { openDescriptors } from "../support/proc/open-descriptors.ts";

const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;

const notBuilt = (): never => {
  throw new Error("Failed to load native module: pty.node");
};

function ifBuilt(): NativePty | undefined {
  try {
    return loadNativePty();
  } catch {
    return undefined;
  }
}
const nodePty = ifBuilt();
// Continuous integration builds node-pty, so that this cannot be missing there unnoticed.
test.skipIf(nodePty === undefined && process.env["CI"] === undefined)("node-pty is built", () => {
  expect(nodePty).toBeDefined();
});

describe.each([
  { name: "libc", pty: libcPty },
  ...(nodePty === undefined ? [] : [{ name: "node-pty", pty: nodePty }]),
])("a terminal of $name", ({ pty }) => {
  let opened: ReturnType<NativePty["open"]> | undefined;
  afterEach(() => {
    if (opened === undefined) return;
    closeSync(opened.master);
    closeSync(opened.slave);
    opened = undefined;
  });

  test("has a path and the requested size, also after a resize of either end", () => {
    opened = pty.open(132, 43);
    expect(opened.pty).toMatch(/^\/dev\/pts\/\d+$/);
    expect(sizeOf(opened.pty)).toBe("43 132\n");
    pty.resize(opened.master, 65_535, 1);
    expect(sizeOf(opened.pty)).toBe("1 65535\n");
    pty.resize(opened.slave, 1, 65_535);
    expect(sizeOf(opened.pty)).toBe("65535 1\n");
  });

  test("carries bytes in both directions", () => {
    opened = pty.open(80, 24);
    writeSync(opened.slave, "out\n");
    expect(readNow(opened.master)).toBe("out\r\n");
    writeSync(opened.master, "in\n");
    expect(readNow(opened.slave)).toBe("in\n");
  });

  test("has a master that does not block", () => {
    opened = pty.open(80, 24);
    expect(flagsOf(opened.master) & O_NONBLOCK).toBe(O_NONBLOCK);
    expect(() => readNow(opened?.master ?? -1)).toThrow("EAGAIN");
  });

  test("refuses to resize a descriptor that is not a terminal", () => {
    expect(() => pty.resize(0x7fff, 80, 24)).toThrow();
  });
});

test("the ends of a terminal of libc are close-on-exec from the beginning", () => {
  const { master, slave } = libcPty.open(80, 24);
  expect([master, slave].map((fd) => flagsOf(fd) & O_CLOEXEC)).toEqual([O_CLOEXEC, O_CLOEXEC]);
  closeSync(master);
  closeSync(slave);
});

test("a terminal of libc whose size cannot be set leaves no descriptor", () => {
  const before = openDescriptors();
  expect(() => libcPty.open("eighty" as never, 24)).toThrow();
  expect(openDescriptors()).toEqual(before);
});

describe("the choice", () => {
  const built: NativePty = { open: notBuilt, resize: notBuilt };

  test.each([undefined, "", "node-pty"])("HOLDFAST_PTY=%s takes node-pty where it is built", (wanted) => {
    expect(choosePty(wanted, () => built)).toBe(built);
  });

  test.each([undefined, ""])("HOLDFAST_PTY=%s takes libc where node-pty is not built", (wanted) => {
    expect(choosePty(wanted, notBuilt)).toBe(libcPty);
  });

  test("HOLDFAST_PTY=libc takes libc where node-pty is built", () => {
    expect(choosePty("libc", () => built)).toBe(libcPty);
  });

  test("HOLDFAST_PTY=node-pty where it is not built is refused with the fix", () => {
    expect(() => choosePty("node-pty", notBuilt)).toThrow("npm rebuild node-pty");
  });

  test("any other value is refused by name", () => {
    expect(() => choosePty("openpty", () => built)).toThrow(
      'HOLDFAST_PTY is "openpty", must be node-pty or libc',
    );
  });
});

function sizeOf(path: string): string {
  return execFileSync("stty", ["-F", path, "size"], { encoding: "utf8" });
}

function readNow(fd: number): string {
  const bytes = Buffer.alloc(64);
  return bytes.toString("latin1", 0, readSync(fd, bytes));
}

function flagsOf(fd: number): number {
  const [, flags = ""] = /^flags:\s+(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8")) ?? [];
  return Number.parseInt(flags, 8);
}
