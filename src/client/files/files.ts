// `client.files`: composed of the calls beside this file.

import type { AgentLink } from "../transport/connection.ts";
import { downloadDirectory, uploadDirectory } from "./directories.ts";
import { openDownload } from "./download.ts";
import { listFiles, makeDir, moveFile, removeFile, statFile } from "./entries.ts";
import type { Files } from "./types.ts";
import { uploadFile } from "./upload.ts";
import { openWatch } from "./watch.ts";

export function newFiles(link: AgentLink): Files {
  return {
    read: async (path, options) => (await openDownload(link, path, options)).bytes(),
    readText: async (path, options) => (await openDownload(link, path, options)).text(),
    download: (path, options) => openDownload(link, path, options),
    write: (path, content, options) => uploadFile(link, path, content, options),
    upload: (path, content, options) => uploadFile(link, path, content, options),
    downloadDirectory: (path, options) => downloadDirectory(link, path, options),
    uploadDirectory: (path, archive, options) => uploadDirectory(link, path, archive, options),
    stat: (path, options) => statFile(link, path, options),
    list: (path, options) => listFiles(link, path, options),
    makeDir: (path, options) => makeDir(link, path, options),
    move: (from, to, options) => moveFile(link, from, to, options),
    remove: (path, options) => removeFile(link, path, options),
    watch: (path, options) => openWatch(link, path, options),
  };
}
