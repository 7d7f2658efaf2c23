// Weaknesses of E2B's envd with files, row by row, and the test that shows that this agent does not
// have them. Each test must exist in its file.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

interface Row {
  readonly row: number;
  readonly envd: string;
  readonly file: string;
  readonly tests: readonly string[];
}

const WATCH = "watch.test.ts";
const ENTRIES = "entries.test.ts";
const UPLOAD = "upload.test.ts";
const DOWNLOAD = "download.test.ts";
const EXACT = "exact-uploads.test.ts";
const COMPOSE = "compose.test.ts";

const ROWS: readonly Row[] = [
  {
    row: 1,
    envd: "after mv a b; mkdir a, events of one come under the name of the other",
    file: WATCH,
    tests: ["mv a b; mkdir a: events have the new names of both directories"],
  },
  {
    row: 3,
    envd: "a directory that was moved out of the tree is still reported under its old name",
    file: WATCH,
    tests: ["a directory that leaves the tree is no longer reported"],
  },
  {
    row: 4,
    envd: "a directory that is gone before it is watched ends the whole watch",
    file: WATCH,
    tests: ["directories that are gone before they are watched end nothing"],
  },
  {
    row: 5,
    envd: "the same during the first walk",
    file: WATCH,
    tests: ["a watch can begin while its tree changes"],
  },
  {
    row: 6,
    envd: "a client that leaves while a tree is announced leaves the watch forever",
    file: WATCH,
    tests: ["a client that leaves while a large tree appears leaves no descriptor and no watch"],
  },
  {
    row: 7,
    envd: "an overflow ends the stream, and a polled watcher loses its queue",
    file: WATCH,
    tests: [
      "an overflow of the kernel is reported, the tree is watched again, and the watch continues",
      "a client that knows no offsets learns of lost events by a WRITE of the directory",
    ],
  },
  {
    row: 8,
    envd: "polled queues have no bound and no expiry",
    file: WATCH,
    tests: ["an unread queue is bounded, reports that events were lost, and continues"],
  },
  {
    row: 9,
    envd: "one inotify instance for each watch",
    file: WATCH,
    tests: [
      "500 watches work at once, and all share one inotify instance",
      "watches above the limit are refused, and the message names the flag",
    ],
  },
  {
    row: 10,
    envd: "Keepalive-Ping-Interval: 0 tears the request",
    file: WATCH,
    tests: ["Keepalive-Ping-Interval"],
  },
  {
    row: 12,
    envd: "a recursive watch of a link fails",
    file: WATCH,
    tests: ["a symbolic link at the root is followed, and links below are not"],
  },
  {
    row: 13,
    envd: "a name that is not UTF-8 ends the stream",
    file: WATCH,
    tests: ["a name that is not UTF-8 is reported with U+FFFD, and the watch continues"],
  },
  {
    row: 14,
    envd: "a file that is made between watch and walk is announced twice, its content not at all",
    file: WATCH,
    tests: ["a new directory is announced with everything in it, each name once"],
  },
  {
    row: 15,
    envd: "silence after the root is removed or renamed",
    file: WATCH,
    tests: [
      "a removed root is reported, and so is its return with its content",
      "a renamed root is reported; its successor is watched and the renamed one is not",
      "a root returns with the directories above it",
    ],
  },
  {
    row: 16,
    envd: "slow clients overflow, because each event costs a parse of /etc/passwd",
    file: WATCH,
    tests: ["git and a copy of a large tree give the same names as a list"],
  },
  {
    row: 17,
    envd: "a Go format fault in the text for a watch of a file",
    file: WATCH,
    tests: ["a missing root is not_found, and a file is invalid_argument with a clean text"],
  },
  {
    row: 18,
    envd: "an upload truncates first: a cut leaves half a file",
    file: EXACT,
    tests: [
      "cut at every tenth byte leaves the old file, and no descriptor",
      "cut in a body that is spooled leaves the old file, and frees the space",
      "an agent that is killed leaves the old file, and no spool file",
    ],
  },
  {
    row: 19,
    envd: "compose compares names as text and removes its own result",
    file: COMPOSE,
    tests: ["a destination that is a source by any name is refused, and nothing is lost (row 19)"],
  },
  {
    row: 20,
    envd: "errors of close are ignored",
    file: "system-calls.test.ts",
    tests: ["an error of close is an error of the upload (row 20)"],
  },
  {
    row: 21,
    envd: "an empty path removes the home",
    file: ENTRIES,
    tests: ["an empty path, / and the home are neither moved nor removed"],
  },
  {
    row: 22,
    envd: "a write changes the owner of an existing file",
    file: UPLOAD,
    tests: ["an existing file"],
  },
  {
    row: 23,
    envd: "a failing chown fails the write",
    file: "system-calls.test.ts",
    tests: ["a chown that fails is not a write that fails (row 23)"],
  },
  {
    row: 24,
    envd: "FIFOs and devices block GET and POST forever",
    file: DOWNLOAD,
    tests: ["that is a FIFO, a socket or a device is 400 and blocks nothing (row 24)"],
  },
  {
    row: 24,
    envd: "the same for uploads",
    file: UPLOAD,
    tests: ["is refused before the body is sent, without side effects (rows 24, 28, 29)"],
  },
  {
    row: 26,
    envd: "a file that shrinks under GET",
    file: DOWNLOAD,
    tests: [
      "a file that becomes shorter while it is sent ends the connection instead of hanging (row 26)",
      "a file that grows while it is sent is sent up to the length that was promised (row 26)",
    ],
  },
  {
    row: 27,
    envd: "a path below a file is an internal error",
    file: DOWNLOAD,
    tests: ["below a file is 404 (row 27)"],
  },
  {
    row: 28,
    envd: "EDQUOT, EROFS, ETXTBSY and others are 500",
    file: "system-calls.test.ts",
    tests: ["an upload is 507 and leaves the old content: %s"],
  },
  {
    row: 28,
    envd: "the same",
    file: UPLOAD,
    tests: ["because a program runs from it is 409"],
  },
  {
    row: 29,
    envd: "an upload to a/new/ makes the directory and fails",
    file: UPLOAD,
    tests: ["is refused before the body is sent, without side effects (rows 24, 28, 29)"],
  },
  {
    row: 31,
    envd: "Move over file systems fails",
    file: ENTRIES,
    tests: ["a move to another file system keeps content, mode, owner, times, links, attributes and holes"],
  },
  {
    row: 32,
    envd: "Move to an empty directory fails",
    file: ENTRIES,
    tests: ["a directory replaces an empty directory, and may be moved to itself, as rename(2) does"],
  },
  {
    row: 33,
    envd: "one unreadable directory fails the whole ListDir",
    file: ENTRIES,
    tests: [
      "a directory that cannot be read leaves the others listed, and pages name it",
      "an entry that disappears while the directory is listed is left out",
    ],
  },
  {
    row: 34,
    envd: "ListDir opens every directory at its depth",
    file: "system-calls.test.ts",
    tests: ["a list opens no directory below its depth (row 34)"],
  },
  {
    row: 35,
    envd: "the whole tree is one message without a bound",
    file: "large-lists.test.ts",
    tests: ["a list of 100,000 entries delays no other client, and its memory is bounded (row 35)"],
  },
  {
    row: 36,
    envd: "one name that is not UTF-8 fails the whole ListDir",
    file: ENTRIES,
    tests: ["a name that is not UTF-8 is shown with U+FFFD and fails nothing"],
  },
  {
    row: 37,
    envd: "dangling links, FIFOs and sockets are invisible",
    file: ENTRIES,
    tests: ["a link without a target, a FIFO and a socket are listed"],
  },
  {
    row: 39,
    envd: "an upload of several files names only the error",
    file: UPLOAD,
    tests: ["that fails in a later file says which were stored, or stores none (row 39)"],
  },
  {
    row: 40,
    envd: "transfers have no limit for silence",
    file: "slow-clients.test.ts",
    tests: [
      "an upload that stops is answered 408 after the idle time, and the old file stays",
      "an upload that is slower than the idle time in all, but never silent for so long, is stored (row 40)",
      "a download whose client accepts nothing ends after the idle time, and the log says why",
    ],
  },
  {
    row: 41,
    envd: "gzip for every read",
    file: DOWNLOAD,
    tests: ["is left out for content that is compressed already (row 41)"],
  },
  {
    row: 42,
    envd: "a gzip upload has no limit but the disk",
    file: UPLOAD,
    tests: ["that becomes far larger is refused with 413 (row 42)"],
  },
  {
    row: 43,
    envd: "no HEAD, no ETag",
    file: DOWNLOAD,
    tests: ["HEAD answers the size and the ETag without the content", "a condition (row 43)"],
  },
  {
    row: 44,
    envd: "Content-Type follows the path and not the file",
    file: DOWNLOAD,
    tests: ["is that of the file which was reached, not of a link to it (row 44)"],
  },
  {
    row: 45,
    envd: "uploads follow a link of an attacker anywhere, by races also",
    file: "links.test.ts",
    tests: [
      "a link of /proc to an open file (row 45)",
      "keeps an upload from following a link at the end of its path (%s)",
      "while another program swaps a directory and a link to a directory of root",
    ],
  },
  {
    row: 46,
    envd: "compose loses mode and metadata, and leaves its temporary file",
    file: COMPOSE,
    tests: [
      "an existing destination keeps its mode and gets the metadata of the request (row 46)",
      "a source that is named twice is refused",
      "a missing source is 404, a directory 400, and a directory as destination 400",
    ],
  },
  {
    row: 47,
    envd: "an empty user name is 401",
    file: DOWNLOAD,
    tests: ["an unknown user is 401, and an empty user name means the default (row 47)"],
  },
];

test.each(ROWS)("row $row ($envd) has its tests in $file", ({ file, tests }) => {
  const source = readFileSync(fileURLToPath(new URL(file, import.meta.url)), "utf8");
  for (const name of tests) expect({ name, isThere: source.includes(name) }).toEqual({ name, isThere: true });
});

test("every row is there", () => {
  // The other numbers were given up when the list was made.
  const dropped = [2, 11, 25, 30, 38];
  const expected = Array.from({ length: 47 }, (_, index) => index + 1).filter(
    (row) => !dropped.includes(row),
  );
  expect([...new Set(ROWS.map(({ row }) => row))].sort((a, b) => a - b)).toEqual(expected);
});
