// The endpoints for the contents of files: /files, /files/compose and /files/uploads/ID.

import { type NodeRequest, type NodeResponse, type Query, queryOf } from "../../http/index.ts";
import {
  appendToUpload,
  cancelUpload,
  createUpload,
  isResumable,
  showUpload,
} from "../resumable-uploads/resumable-endpoints.ts";
import { UploadTable } from "../resumable-uploads/upload-table.ts";
import { upload } from "../uploads/upload.ts";
import { archiveFormat } from "./archive-format.ts";
import { compose } from "./compose.ts";
import { downloadDirectory } from "./directory-download.ts";
import { uploadDirectory } from "./directory-upload.ts";
import { download } from "./download.ts";
import { answerFileError } from "./file-answer.ts";
import type { FileService } from "./file-service.ts";

type FileHandler = (
  service: FileService,
  request: NodeRequest,
  response: NodeResponse,
  query: Query,
) => Promise<void>;

/** By path and method. The path of an upload ends in its id; see UPLOADS_PATH. */
export type FileRoutes = Readonly<
  Record<string, Readonly<Record<string, (request: NodeRequest, response: NodeResponse) => Promise<void>>>>
>;

/** Stands for the paths of all resumable uploads. */
export const UPLOADS_PATH = "/files/uploads/";

/** Every handler answers its request in any case. */
export function createFileRoutes(
  options: Omit<FileService, "uploads"> & { readonly uploads?: UploadTable },
): FileRoutes {
  const service: FileService = { ...options, uploads: options.uploads ?? new UploadTable() };
  const answering = (handler: FileHandler) => async (request: NodeRequest, response: NodeResponse) => {
    try {
      await handler(service, request, response, queryOf(request));
    } catch (error) {
      answerFileError(error, response, service.logger);
    }
  };
  return {
    "/files": {
      GET: answering(get),
      POST: answering(post),
    },
    "/files/compose": { POST: answering(compose) },
    [UPLOADS_PATH]: {
      GET: answering(showUpload),
      PATCH: answering(appendToUpload),
      DELETE: answering(cancelUpload),
    },
  };
}

const get: FileHandler = async (service, request, response, query) => {
  const format = archiveFormat(query);
  if (format === undefined) await download(service, request, response, query);
  else await downloadDirectory(service, request, response, query, format);
};

const post: FileHandler = async (service, request, response, query) => {
  const format = archiveFormat(query);
  if (format !== undefined) await uploadDirectory(service, request, response, query, format);
  else if (isResumable(request)) await createUpload(service, request, response, query);
  else await upload(service, request, response, query);
};
