// Archives whose source fails while entries are being created.

import { pack as createPack } from "tar-stream";
import { expect, test } from "vitest";
import { type UserFiles, unpackTree } from "../../../src/filesystem/index.ts";

/** Entries are created in batches of this many. */
const BATCH = 256;

test("an archive that fails while a batch is created is an error, also when the batch is done long after it", async () => {
  let fail: () => void = () => undefined;
  const failing = new Promise<void>((resolve) => {
    fail = resolve;
  });
  const lost = new Error("the connection is lost");
  async function* archive() {
    yield await tarOf(BATCH);
    await failing;
    throw lost;
  }
  const files = {
    call: async () => {
      fail();
      // The stream of the archive is closed long before this.
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    },
  } as unknown as UserFiles;
  const unpacking = unpackTree({
    ...{
      files,
      root: -1,
      archive: archive(),
      isExcluded: () => false,
      owner: undefined,
      outwardLinks: "keep",
    },
    progress: { files: 0, directories: 0, links: 0, bytes: 0, skipped: [], skippedCount: 0 },
    ...{ bufferBytes: 256 * 1024, directory: Buffer.from("/") },
  });
  await expect(unpacking).rejects.toBe(lost);
});

/** Without the blocks that end an archive. */
async function tarOf(files: number): Promise<Buffer> {
  const archive = createPack();
  for (let n = 0; n < files; n++) archive.entry({ name: `file-${n}` }, "content");
  archive.finalize();
  const pieces: Buffer[] = [];
  for await (const piece of archive as AsyncIterable<Buffer>) pieces.push(piece);
  return Buffer.concat(pieces).subarray(0, files * 1024);
}
