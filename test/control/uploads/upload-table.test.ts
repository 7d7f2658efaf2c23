// How long resumable uploads are kept, with times that no other test waits for.

import { expect, test } from "vitest";
import { ResumableUpload } from "../../../src/control/resumable-uploads/resumable-upload.ts";
import { UploadTable } from "../../../src/control/resumable-uploads/upload-table.ts";
import { createFileAccess, StagedContent } from "../../../src/filesystem/index.ts";
import { ownUser } from "../../../src/linux/index.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const MINUTE_MS = 60_000;

function newUpload(): ResumableUpload {
  const files = createFileAccess("agent").for({ ...ownUser(), groups: [], isOwn: true });
  const content = new StagedContent(() => Promise.reject(new Error("nothing is stored here")), 65_536);
  const target = { state: { version: "", modifiedMs: 0, identity: undefined }, expected: undefined };
  const options = {
    ...{ metadata: {}, mode: undefined, following: "all" as const },
    ...{ isAtomic: false, isSynced: false },
  };
  const plan = { id: "an-upload", path: Buffer.from("/tmp/x"), requester: { files, owner: undefined } };
  return new ResumableUpload({ ...plan, target, options, digest: null }, content);
}

test("an upload is dropped an hour after its last request, however often the agent is upgraded", () => {
  const clock = new FakeClock();
  let table = new UploadTable(clock);
  table.add(newUpload());
  for (const minutes of [20, 20, 19]) {
    clock.advance(minutes * MINUTE_MS);
    const [saved] = table.save();
    table = new UploadTable(clock);
    table.restore(newUpload(), saved?.remainingMs);
  }
  expect(table.save()).toHaveLength(1);
  clock.advance(MINUTE_MS);
  expect(table.save()).toEqual([]);
});
