// The files of a form: all are stored when the whole form has arrived, except in very long forms.

import { HoldfastError } from "../../errors.ts";
import { headerReader, type NodeRequest, type NodeResponse, type Query } from "../../http/index.ts";
import { clip } from "../../text.ts";
import { answerFileError, answerFileJson } from "../files/file-answer.ts";
import type { Requester } from "../files/file-request.ts";
import type { FileService } from "../files/file-service.ts";
import { readForm } from "./form-parts.ts";
import {
  describe,
  lookAt,
  type StoredFile,
  type Storing,
  stagedFor,
  store,
  storeOptionsOf,
} from "./storing.ts";
import { uploadBody } from "./upload-body.ts";

/** How many files of one form are held until the whole form has arrived. Later ones are stored as they come. */
const MAX_STAGED = 64;

export async function uploadForm(
  service: FileService,
  requester: Requester,
  request: NodeRequest,
  response: NodeResponse,
  query: Query,
): Promise<void> {
  const named = query.bytes("path");
  const options = storeOptionsOf(request, query);
  const staged: Storing[] = [];
  const share = service.memory.open();
  /** Of complete parts that are still in memory. */
  let heldBytes = 0;
  const seen = new Set<string>();
  const written: StoredFile[] = [];
  const storeNext = async () => {
    const part = staged.shift();
    if (part === undefined) return;
    try {
      written.push(describe(part.path, await store(requester, part)));
    } finally {
      await part.content.close();
    }
  };
  try {
    const body = uploadBody(request, headerReader(request), service.idleMs);
    await readForm(request, body, async (part) => {
      const path = requester.resolve(partPath(part.name, named));
      const key = path.toString("latin1");
      if (seen.has(key)) throw twice(path, named !== undefined);
      seen.add(key);
      const target = await lookAt(requester, path, request, options.following);
      if (staged.length >= MAX_STAGED) await storeNext();
      const content = stagedFor(requester, path, share.bufferBytes);
      staged.push({ path, content, target, options });
      for await (const piece of part.content) await content.append(piece);
      await content.flush();
      if (content.spoolFile !== undefined) return;
      heldBytes += content.bytes;
      if (heldBytes <= share.bufferBytes) return;
      for (const { content: earlier } of staged) await earlier.spool();
      heldBytes = 0;
    });
    while (staged.length > 0) await storeNext();
    answerFileJson(response, 200, written);
  } catch (error) {
    answerFileError(error, response, service.logger, written.length > 0 ? { written } : {});
  } finally {
    for (const { content } of staged) await content.close();
    share.release();
  }
}

function partPath(name: string, named: Buffer | undefined): Buffer {
  if (named !== undefined && named.length > 0) return named;
  if (name !== "") return Buffer.from(name);
  throw new HoldfastError("invalid_argument", "a file of the form has no name, and the query has no path");
}

function twice(path: Buffer, isNamed: boolean): HoldfastError {
  return new HoldfastError(
    "invalid_argument",
    isNamed
      ? "the form has more than one file, and the query names one path for all"
      : `the form has two files for "${clip(path.toString())}"`,
  );
}
