// Question: how fast does input reach a process, and what does it cost the server?
//
// 64 KiB messages to `wc -c`, in one StreamInput call or in one SendInput call each. The time ends
// when the process has read everything; its count is compared.

import { create, toBinary } from "@bufbuild/protobuf";
import { StreamInputRequestSchema } from "../../dist/gen/process_pb.js";
import { openHttp1 } from "../clients/http1.mjs";
import { headersOf } from "../clients/open.mjs";
import { closeStdin, envelope, sendInput, startSession } from "../clients/session.mjs";
import { interleave } from "../rounds.mjs";
import { cpuSeconds, difference, peakResidentMb } from "../servers/usage.mjs";

const PIECE_BYTES = 64 * 1024;
const roundCount = { full: 5, quick: 2 };
const pieceCount = { full: 1000, quick: 200 };

/** @param {"stream" | "send"} kind @returns {import("./index.mjs").Figure} */
export function inputFigure(kind) {
  const rpc = kind === "stream" ? "one StreamInput" : "SendInput calls, one after the other";
  return {
    name: `input-${kind}`,
    question: `how fast does input reach a process through ${rpc}?`,
    metrics: [
      { key: "mbPerSecond", label: "MB/s", digits: 0, ratio: true },
      { key: "cpuSecondsPerGb", label: "server CPU s/GB", digits: 2, ratio: true },
      { key: "peakMb", label: "peak MB", digits: 0 },
    ],
    async measure({ quick, lineup }) {
      const pace = quick ? "quick" : "full";
      const [rounds, pieces] = [roundCount[pace], pieceCount[pace]];
      const transport = /** @type {const} */ ({ http: "http1", codec: "binary" });
      const samples = await lineup.withSubjects(["holdfast", "plain", "peer"], transport, (subjects) =>
        interleave(subjects, rounds, ({ server }) => feedOnce(server, kind, pieces)),
      );
      return { settings: `${rounds} rounds of ${pieces} messages of 64 KiB`, samples };
    },
  };
}

/**
 * @param {import("../servers/launch.mjs").Server} server @param {"stream" | "send"} kind @param
 * {number} pieces
 */
async function feedOnce(server, kind, pieces) {
  const [reader, writer] = [openHttp1(server.url), openHttp1(server.url)];
  await Promise.all([reader.ready(), writer.ready()]);
  let output = "";
  const { pid, ended } = await startSession(reader, { argv: ["wc", "-c"], stdin: true }, (bytes) => {
    output += Buffer.from(bytes).toString();
  });
  const piece = Buffer.alloc(PIECE_BYTES, "x");
  const body = kind === "stream" ? streamBody(pid, piece, pieces) : undefined;
  const cpuBefore = cpuSeconds(server);
  const startedMs = performance.now();
  if (body !== undefined) await streamInput(writer, body);
  else for (let i = 0; i < pieces; i++) await sendInput(writer, pid, piece, "stdin");
  await closeStdin(writer, pid);
  await ended;
  const seconds = (performance.now() - startedMs) / 1000;
  const cpu = difference(cpuBefore, cpuSeconds(server));
  reader.close();
  writer.close();
  const bytes = pieces * PIECE_BYTES;
  if (Number(output) !== bytes) throw new Error(`the process read ${output.trim()} of ${bytes} bytes`);
  return {
    mbPerSecond: bytes / 1e6 / seconds,
    cpuSecondsPerGb: cpu && cpu / (bytes / 1e9),
    peakMb: peakResidentMb(server),
  };
}

/** @param {number} pid @param {Buffer} piece @param {number} pieces */
function streamBody(pid, piece, pieces) {
  /**
   * @param {import("@bufbuild/protobuf").MessageInitShape<typeof
   * StreamInputRequestSchema>["event"]} event
   */
  const message = (event) =>
    envelope(toBinary(StreamInputRequestSchema, create(StreamInputRequestSchema, { event })));
  const start = message({ case: "start", value: { process: { selector: { case: "pid", value: pid } } } });
  const data = message({ case: "data", value: { input: { input: { case: "stdin", value: piece } } } });
  return Buffer.concat([start, ...Array.from({ length: pieces }, () => data)]);
}

/** @param {import("../clients/http1.mjs").Connection} connection @param {Buffer} body */
async function streamInput(connection, body) {
  let answer = "";
  const status = await connection.exchange(
    { method: "POST", path: "/process.Process/StreamInput", headers: headersOf.binary, body },
    (bytes, start, end) => {
      answer += bytes.toString("latin1", start, end);
    },
  );
  if (status !== 200 || answer.includes('"error"')) throw new Error(`StreamInput: ${status} ${answer}`);
}
