// How much a compressed body may grow: a few kilobytes can otherwise fill the disk.

import { constants } from "node:os";
import { FileError } from "../../filesystem/index.ts";

/** A body may grow by this factor when it is decompressed, once it is larger than `FREE_BYTES`. */
const MAX_EXPANSION = 200;
const FREE_BYTES = 64 * 1024 * 1024;

export class ExpansionLimit {
  #received = 0;
  #produced = 0;

  noteReceived(bytes: number): void {
    this.#received += bytes;
  }

  /** Throws `resource_exhausted` for a body that grows too much. */
  noteProduced(bytes: number): void {
    this.#produced += bytes;
    if (this.#produced <= FREE_BYTES || this.#produced <= this.#received * MAX_EXPANSION) return;
    throw new FileError(
      "resource_exhausted",
      `${this.#received} compressed bytes became ${this.#produced}: more than ${MAX_EXPANSION} times as many; send it uncompressed`,
      constants.errno.EFBIG,
    );
  }
}
