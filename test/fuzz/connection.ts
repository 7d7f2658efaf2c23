// The mutated requests of one connection, and the answers to them.

import { connect } from "node:net";
import { frameType, HELLO } from "../support/clients/http2-frames.ts";
import { requestBytes } from "../support/clients/raw-http.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { chunked, http1, http2 } from "./corpus.ts";
import { mutate, pick } from "./mutations.ts";

export const REQUESTS_PER_CONNECTION = 20;

/**
 * The connection is left after this long without more of an answer: a stream that is open may stay
 * open.
 */
const SILENCE_MS = 60;
/** The time limit for the first answer. */
const LONGEST_MS = 1000;

/**
 * Follows from the seed alone. Most requests are valid HTTP with a mutated message inside: the
 * first invalid one ends its connection, and the agent never sees the requests behind it.
 */
export function bytesOf(seed: number): Buffer {
  const random = seededRandom(seed);
  const requests = (one: (index: number) => Buffer) =>
    Array.from({ length: REQUESTS_PER_CONNECTION }, (_, index) => one(index));
  if (random() < 0.5) return Buffer.concat(requests(() => http1Request(random)));
  const hello = random() < 0.02 ? mutate(HELLO, random) : HELLO;
  const http2Request = (index: number) => {
    const whole = pick(http2, random)(2 * index + 1);
    return random() < 0.05 ? mutate(whole, random) : mutateBody(whole, random);
  };
  return Buffer.concat([hello, ...requests(http2Request)]);
}

function http1Request(random: () => number): Buffer {
  const request = pick(http1, random);
  const { body, headers = {} } = request;
  if (random() < 0.05) return mutate(random() < 0.5 ? requestBytes(request) : chunked(request), random);
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
 * Resolves with the number of answers when the agent has closed the connection, fallen silent, or
 * used up the time. Never rejects.
 */
export function attack(port: number, bytes: Buffer): Promise<number> {
  return new Promise((resolve) => {
    const received: Buffer[] = [];
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    const done = () => {
      clearTimeout(silence);
      socket.destroy();
      resolve(answersIn(Buffer.concat(received.splice(0))));
    };
    let silence = setTimeout(done, LONGEST_MS);
    socket
      .on("error", done)
      .on("close", done)
      .on("data", (data) => {
        received.push(data);
        clearTimeout(silence);
        silence = setTimeout(done, SILENCE_MS);
      });
    // Without an end: a client that ends its side leaves.
    socket.write(bytes);
  });
}

/** The number of status lines, or over HTTP/2 of answered streams. */
function answersIn(received: Buffer): number {
  const statuses = received.toString("latin1").split("HTTP/1.1 ").length - 1;
  if (statuses > 0) return statuses;
  const streams = new Set<number>();
  for (let at = 0; at + 9 <= received.length; at += 9 + received.readUIntBE(at, 3))
    if (received.readUInt8(at + 3) === frameType.headers) streams.add(received.readUInt32BE(at + 5));
  return streams.size;
}
