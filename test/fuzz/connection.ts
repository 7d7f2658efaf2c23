// The mutated requests of one connection, and the answers to them.

import { connect } from "node:net";
import { frame, framesIn, frameType, HELLO } from "../support/clients/http2-frames.ts";
import { requestBytes } from "../support/clients/raw-http.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { chunked, http1, http2 } from "./corpus.ts";
import { mutate, pick } from "./mutations.ts";

const REQUESTS_PER_CONNECTION = 20;

/**
 * The connection is left when its last answer is this long ago: a stream that is open may stay open. Longer than a busy agent
 * takes for the requests of all connections.
 */
const SILENCE_MS = 1000;
/** For what is not valid HTTP. Most of it is answered at once or never. */
const LAST_SILENCE_MS = 200;
/** The time limit for the first answer. */
const LONGEST_MS = 5000;
/** Of all messages on a connection of HTTP/2: what a client may send before the agent allows more. */
const WINDOW_BYTES = 60_000;

/** What is sent on one connection. */
export interface Attack {
  readonly version: "1.1" | "2";
  /** Valid HTTP with mutated messages inside. */
  readonly wellFormed: Buffer;
  /** How many requests that are. */
  readonly requests: number;
  /** Sent when those before it are answered: the agent closes the connection at HTTP that is not valid. */
  readonly malformed: Buffer;
}

/** Follows from the seed alone. */
export function attackOf(seed: number): Attack {
  const random = seededRandom(seed);
  return random() < 0.5 ? http1Attack(random) : http2Attack(random);
}

/** The number of requests in front of the first one that is not valid HTTP: one in twenty is not. */
function wellFormedCount(random: () => number): number {
  let count = 0;
  while (count < REQUESTS_PER_CONNECTION && random() >= 0.05) count++;
  return count;
}

function http1Attack(random: () => number): Attack {
  const requests = wellFormedCount(random);
  const wellFormed = Buffer.concat(Array.from({ length: requests }, () => http1Request(random)));
  const last = pick(http1, random);
  const malformed = mutate(random() < 0.5 ? requestBytes(last) : chunked(last), random);
  return { version: "1.1", wellFormed, requests, malformed };
}

function http2Attack(random: () => number): Attack {
  const most = wellFormedCount(random);
  // The answers to all of them together need more than the window that a connection begins with.
  const hello = Buffer.concat([
    HELLO,
    frame(frameType.windowUpdate, 0, 0, Buffer.from([0, 0xff, 0xff, 0xff])),
  ]);
  const pieces = [random() < 0.02 ? mutate(hello, random) : hello];
  let bytes = 0;
  let requests = 0;
  for (; requests < most; requests++) {
    const request = mutateBody(pick(http2, random)(2 * requests + 1), random);
    bytes += request.length;
    if (bytes > WINDOW_BYTES) break;
    pieces.push(request);
  }
  const malformed = mutate(pick(http2, random)(2 * requests + 1), random);
  return { version: "2", wellFormed: Buffer.concat(pieces), requests, malformed };
}

function http1Request(random: () => number): Buffer {
  const request = pick(http1, random);
  const { body, headers = {} } = request;
  const [name, value] = pick(Object.entries({ "x-nothing": "1", ...headers }), random);
  // A header that may be invalid, but does not end the head.
  const mutated =
    random() < 0.1
      ? {
          [name]: mutate(Buffer.from(value), random)
            .toString("latin1")
            .replace(/[\r\n\0]/g, ""),
        }
      : {};
  const mutant = {
    ...request,
    headers: { ...headers, ...mutated },
    ...(body === undefined ? {} : { body: mutate(body, random) }),
  };
  return random() < 0.2 && body !== undefined ? chunked(mutant) : requestBytes(mutant);
}

/** The frames stay intact. Only the payload of the last one is mutated, which is the message. */
function mutateBody(frames: Buffer, random: () => number): Buffer {
  const headersEnd = 9 + frames.readUIntBE(0, 3);
  const data = frames.subarray(headersEnd);
  const payload = mutate(data.subarray(9), random).subarray(0, 16_000);
  const head = Buffer.from(data.subarray(0, 9));
  head.writeUIntBE(payload.length, 0, 3);
  return Buffer.concat([frames.subarray(0, headersEnd), head, payload]);
}

/**
 * Resolves with the number of answers when the agent has closed the connection, or when no more of them come. Never rejects.
 */
export function attack(port: number, { version, wellFormed, requests, malformed }: Attack): Promise<number> {
  return new Promise((resolve) => {
    const received: Buffer[] = [];
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    const answers = () => answersIn(version, Buffer.concat(received));
    let isLast = false;
    const done = () => {
      clearTimeout(patience);
      socket.destroy();
      resolve(answers());
    };
    const next = () => {
      clearTimeout(patience);
      if (isLast) return done();
      isLast = true;
      patience = setTimeout(done, LAST_SILENCE_MS);
      socket.write(malformed);
    };
    let patience = setTimeout(next, LONGEST_MS);
    socket
      .on("error", done)
      .on("close", done)
      .on("data", (data) => {
        received.push(data);
        const count = answers();
        if (count >= requests && !isLast) return next();
        // The settings of HTTP/2 are not an answer.
        if (count === 0) return;
        clearTimeout(patience);
        patience = setTimeout(next, isLast ? LAST_SILENCE_MS : SILENCE_MS);
      });
    // Without an end: a client that ends its side leaves.
    socket.write(wellFormed);
  });
}

/** The number of status lines, or over HTTP/2 of streams that are answered or reset. */
function answersIn(version: Attack["version"], received: Buffer): number {
  if (version === "1.1") return received.toString("latin1").split("HTTP/1.1 ").length - 1;
  const answers = framesIn(received).filter(
    ({ type }) => type === frameType.headers || type === frameType.reset,
  );
  return new Set(answers.map(({ stream }) => stream)).size;
}
