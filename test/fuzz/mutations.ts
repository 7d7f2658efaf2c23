// Changes a request, as its random numbers decide.

type Random = () => number;

/** Input that is known to confuse parsers. */
const dictionary = [
  ...[
    "\r\n",
    "\r\n\r\n",
    "\n",
    "\0",
    " ",
    ":",
    ";",
    ",",
    "=",
    "%",
    "%00",
    "%2e%2e/",
    "../",
    "?",
    "#",
    "//",
    "\t",
  ],
  ...["HTTP/1.0", "HTTP/9.9", "HTTP/2.0", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET ", "CONNECT ", "TRACE "],
  ...["Content-Length: 0\r\n", "Content-Length: -1\r\n", "Content-Length: 99999999999999999999\r\n"],
  ...["Transfer-Encoding: chunked\r\n", "Transfer-Encoding: identity\r\n", "Expect: 100-continue\r\n"],
  ...["Connection: close\r\n", "Connection: upgrade\r\nUpgrade: h2c\r\n", "Content-Encoding: gzip\r\n"],
  ...[
    "Connect-Content-Encoding: br\r\n",
    "Grpc-Encoding: gzip\r\n",
    "Grpc-Timeout: 1n\r\n",
    "TE: trailers\r\n",
  ],
  ...[
    "Authorization: Basic Og==\r\n",
    "Origin: null\r\n",
    "Host: [::1\r\n",
    "Keepalive-Ping-Interval: 0\r\n",
  ],
  ...["{}", "[]", "null", "true", '""', "{", '{"', "\\u0000", "\\ud800", "1e999", "-0", "9007199254740993"],
  ...[
    "18446744073709551615",
    "-9223372036854775808",
    "4294967296",
    "NaN",
    '"NaN"',
    "__proto__",
    "constructor",
  ],
  ...[
    "\xff\xff\xff\xff",
    "\x00\x00\x00\x00",
    "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
    "\xed\xa0\x80",
    "\x1f\x8b\x08",
  ],
  ...[
    "ffffffff\r\n",
    "7fffffffffffffff\r\n",
    "0\r\n\r\n",
    "-1\r\n",
    "fuzz",
    "processId",
    "startId",
    "SIGNAL_SIGKILL",
  ],
].map((text) => Buffer.from(text, "latin1"));

const mutations: readonly ((bytes: Buffer, random: Random) => Buffer)[] = [
  flipBit,
  flipBit,
  overwrite,
  remove,
  duplicate,
  insertWord,
  insertWord,
  truncate,
  changeNumber,
  repeat,
];

/** 0 to 6 mutations of a copy of `bytes`; one copy in ten stays unchanged. */
export function mutate(bytes: Buffer, random: Random): Buffer {
  let mutant = Buffer.from(bytes);
  if (random() < 0.1) return mutant;
  for (let left = 1 + Math.floor(random() ** 2 * 6); left > 0; left--) {
    const mutation = pick(mutations, random);
    if (mutant.length > 0) mutant = Buffer.from(mutation(mutant, random));
  }
  return mutant;
}

export function pick<T>(from: readonly T[], random: Random): T {
  const found = from[Math.floor(random() * from.length)];
  if (found === undefined) throw new Error("nothing to pick from");
  return found;
}

function place(bytes: Buffer, random: Random): number {
  return Math.floor(random() * bytes.length);
}

/** Short spans are likelier. */
function span(bytes: Buffer, random: Random): readonly [from: number, to: number] {
  const from = place(bytes, random);
  return [from, Math.min(bytes.length, from + 1 + Math.floor(random() ** 3 * bytes.length))];
}

function flipBit(bytes: Buffer, random: Random): Buffer {
  const at = place(bytes, random);
  bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << Math.floor(random() * 8)), at);
  return bytes;
}

function overwrite(bytes: Buffer, random: Random): Buffer {
  const [from, to] = span(bytes, random);
  for (let at = from; at < Math.min(to, from + 16); at++) bytes.writeUInt8(Math.floor(random() * 256), at);
  return bytes;
}

function remove(bytes: Buffer, random: Random): Buffer {
  const [from, to] = span(bytes, random);
  return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
}

function duplicate(bytes: Buffer, random: Random): Buffer {
  const [from, to] = span(bytes, random);
  return Buffer.concat([bytes.subarray(0, to), bytes.subarray(from)]);
}

function insertWord(bytes: Buffer, random: Random): Buffer {
  // Half of them at the start of a line of the head, where they become headers.
  const lines = random() < 0.5 ? bytes.indexOf("\r\n", place(bytes, random)) : -1;
  const at = lines < 0 ? place(bytes, random) : lines + 2;
  return Buffer.concat([bytes.subarray(0, at), pick(dictionary, random), bytes.subarray(at)]);
}

function truncate(bytes: Buffer, random: Random): Buffer {
  return bytes.subarray(0, place(bytes, random));
}

/** Changes a number in the text: lengths, time limits, offsets. */
function changeNumber(bytes: Buffer, random: Random): Buffer {
  const numbers = [...bytes.toString("latin1").matchAll(/\d+/g)];
  if (numbers.length === 0) return bytes;
  const { 0: digits, index } = pick(numbers, random);
  const changed = pick(
    ["0", "1", `${Number(digits) + 1}`, `${digits}0`, "4294967295", "99999999999999999999", "-1"],
    random,
  );
  return Buffer.concat([
    bytes.subarray(0, index),
    Buffer.from(changed),
    bytes.subarray(index + digits.length),
  ]);
}

function repeat(bytes: Buffer, random: Random): Buffer {
  const [from, to] = span(bytes, random);
  const piece = bytes.subarray(from, Math.min(to, from + 64));
  const times = Math.floor(random() ** 4 * 1000);
  return Buffer.concat([
    bytes.subarray(0, from),
    ...Array.from({ length: times }, () => piece),
    bytes.subarray(from),
  ]);
}
