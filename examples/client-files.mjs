// Files: written, read in part, followed, and moved as a directory.

import { createClient, FileChangedError } from "holdfast/client";

const client = createClient({ baseUrl: process.env.HOLDFAST_URL ?? "http://127.0.0.1:49983" });
const { files } = client;

const { path: folder } = await files.makeDir("/tmp/holdfast-example");
const watch = await files.watch(folder);

const { etag } = await files.write(`${folder}/notes`, "first line\n");
for await (const { kind, name } of watch) {
  console.log(kind, name);
  break; // leaving the loop ends the watch
}

// A stream of any length; here a Blob's.
await files.upload(`${folder}/data`, new Blob(["x".repeat(3_000_000)]).stream(), {
  totalBytes: 3_000_000,
  onProgress: ({ transferredBytes, totalBytes }) => {
    if (transferredBytes === totalBytes) console.log("stored", transferredBytes, "bytes");
  },
});
console.log(await files.readText(`${folder}/data`, { offset: 2_999_990 }));

// Written back only if nobody has changed it meanwhile.
await files.write(`${folder}/notes`, "changed by somebody else\n");
await files
  .write(`${folder}/notes`, "first line\nsecond line\n", { ifMatch: etag })
  .catch((error) => console.log(error instanceof FileChangedError, error.code));

// A directory as an archive, from one place to another.
await files.uploadDirectory(`${folder}/copy`, await files.downloadDirectory(folder, { exclude: ["data"] }));
for (const { kind, path, size } of await files.list(folder, { depth: 2 })) {
  if (kind === "file") console.log(path.slice(folder.length + 1), size);
}
await files.remove(folder);
client.close();
