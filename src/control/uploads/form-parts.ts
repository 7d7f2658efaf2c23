// The files of a multipart form, one after the other. Parts with other names than `file` are skipped, as envd does.

import { Busboy, type BusboyConfig, type BusboyFileStream, type BusboyInstance } from "@fastify/busboy";
import { deferred } from "../../deferred.ts";
import { HoldfastError } from "../../errors.ts";
import type { NodeRequest } from "../../http/index.ts";
import { messageOf } from "../../text.ts";

const FIELD = "file";
/** More parts in one request are refused: each costs work. */
const MAX_PARTS = 10_000;

export interface FormPart {
  /** With directories, as the client wrote it. */
  readonly name: string;
  readonly content: AsyncIterable<Buffer>;
}

/**
 * Calls `onPart` for each file, and the next time only when it has resolved. Resolves at the end of the form, after which
 * `body` is also read to its end. Throws `invalid_argument` for a malformed form.
 */
export async function readForm(
  { headers }: NodeRequest,
  body: AsyncIterable<Uint8Array>,
  onPart: (part: FormPart) => Promise<void>,
): Promise<void> {
  const form = openForm(headers["content-type"] ?? "");
  let handling: Promise<void> = Promise.resolve();
  let failure: { readonly error: unknown } | undefined;
  const fail = (error: unknown) => {
    failure ??= { error };
    form.destroy();
  };
  form.on("file", (field: string, stream: BusboyFileStream, name: string) => {
    stream.on("error", () => {
      // An error of the form is reported by the form itself.
    });
    if (field !== FIELD || failure !== undefined) return void stream.resume();
    handling = handling
      .then(() => onPart({ name: name ?? "", content: stream }))
      .catch((error: unknown) => {
        fail(error);
      });
  });
  form.on("partsLimit", () =>
    fail(new HoldfastError("invalid_argument", `the form has more than ${MAX_PARTS} parts`)),
  );
  let isFinished = false;
  const finished = new Promise<void>((resolve) => {
    const finish = () => {
      isFinished = true;
      resolve();
    };
    form.once("finish", finish);
    form.once("close", finish);
    form.on("error", (error: unknown) => {
      failure ??= { error: malformed(messageOf(error)) };
      finish();
    });
  });
  try {
    for await (const piece of body) {
      if (failure !== undefined) break;
      if (!form.write(piece) && !isFinished) await drained(form);
    }
  } catch (error) {
    fail(error);
  }
  if (failure === undefined) form.end();
  await finished;
  await handling;
  if (failure !== undefined) throw failure.error;
}

function openForm(contentType: string) {
  const options: BusboyConfig = {
    headers: { "content-type": contentType },
    preservePath: true,
    limits: { parts: MAX_PARTS, fieldNameSize: 256, fieldSize: 1024, headerPairs: 64 },
    // Also one without a file name: its target is then the query's path.
    isPartAFile: () => true,
  };
  try {
    return new Busboy(options);
  } catch (error) {
    throw malformed(messageOf(error));
  }
}

/** Or finished, or failed. Not a race with a promise for the whole form: that one would keep all of these. */
async function drained(form: BusboyInstance): Promise<void> {
  const events = ["drain", "finish", "close", "error"] as const;
  const { promise, resolve } = deferred<void>();
  const settle = () => resolve();
  for (const event of events) form.on(event, settle);
  await promise;
  for (const event of events) form.removeListener(event, settle);
}

function malformed(reason: string): HoldfastError {
  return new HoldfastError("invalid_argument", `the body is not a valid multipart form: ${reason}`);
}
