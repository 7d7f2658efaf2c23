// A watch, over as many connections as it needs. Each later connection continues after the last event that the caller
// received. If the agent no longer knows the watch, a new one begins, and a rescan event says that some were lost.

import type { FilesystemEvent, WatchDirResponse } from "../../gen/filesystem_pb.ts";
import { EventType } from "../../gen/tables.ts";
import { AbortScope } from "../abort.ts";
import { ClientError } from "../client-errors.ts";
import { MessageStream } from "../output/message-stream.ts";
import type { AgentLink } from "../transport/connection.ts";
import { toFileEntry, userHeaders } from "./entries.ts";
import { rpcError } from "./file-errors.ts";
import { Tries } from "./transfer.ts";
import type { FileEvent, FileWatch, WatchOptions } from "./types.ts";

export async function openWatch(
  link: AgentLink,
  path: string,
  options: WatchOptions = {},
): Promise<FileWatch> {
  const watch = new Watch(link, path, options);
  await watch.begin();
  return watch;
}

class Watch implements FileWatch, AsyncIterator<FileEvent> {
  readonly #link: AgentLink;
  readonly #path: string;
  readonly #options: WatchOptions;
  readonly #scope: AbortScope;
  readonly #tries: Tries;
  #stream: MessageStream<WatchDirResponse> | undefined;
  /** Empty: the agent knows no watch that could be continued. */
  #watcherId = "";
  /** The number of the next event. */
  #next = 0n;
  #hasBegun = false;
  #isClosed = false;
  /** A new watch has replaced one whose events are lost. */
  #mustRescan = false;

  constructor(link: AgentLink, path: string, options: WatchOptions) {
    this.#link = link;
    this.#path = path;
    this.#options = options;
    this.#scope = new AbortScope(link.closed, options.signal);
    this.#tries = new Tries(link, { ...options, signal: this.#scope.signal });
  }

  async begin(): Promise<void> {
    try {
      this.#stream = await this.#reach();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  [Symbol.asyncIterator](): AsyncIterator<FileEvent> {
    return this;
  }

  async next(): Promise<IteratorResult<FileEvent, undefined>> {
    try {
      for (;;) {
        if (this.#isClosed) return { done: true, value: undefined };
        this.#stream ??= await this.#reach();
        if (this.#mustRescan) {
          this.#mustRescan = false;
          return { done: false, value: { kind: "rescan", name: "." } };
        }
        const event = await this.#nextOf(this.#stream);
        if (event !== undefined) return { done: false, value: event };
      }
    } catch (error) {
      if (this.#isClosed) return { done: true, value: undefined };
      this.close();
      throw error;
    }
  }

  async return(): Promise<IteratorResult<FileEvent, undefined>> {
    this.close();
    return { done: true, value: undefined };
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stream?.close();
    this.#scope.abort(new ClientError("canceled", "the watch was closed"));
    this.#scope.release();
    if (this.#watcherId === "" || this.#link.closed.aborted) return;
    const headers = { ...this.#link.settings.headers, ...userHeaders(this.#link, this.#options) };
    this.#link.rpc.filesystem.removeWatcher({ watcherId: this.#watcherId }, { headers }).catch(() => {
      // The agent drops it later by itself.
    });
  }

  /** Undefined: a keepalive, an event that was received before, or a lost connection. */
  async #nextOf(stream: MessageStream<WatchDirResponse>): Promise<FileEvent | undefined> {
    let message: WatchDirResponse | undefined;
    try {
      message = await stream.next();
      if (message === undefined) throw new ClientError("unavailable", "the stream of the watch ended");
    } catch (error) {
      stream.close();
      this.#stream = undefined;
      await this.#tries.afterFailure(rpcError(error));
      return undefined;
    }
    if (message.event.case !== "filesystem") return undefined;
    const event = message.event.value;
    if (event.offset !== undefined && event.offset < this.#next) return undefined;
    if (event.offset !== undefined) this.#next = event.offset + 1n;
    return toFileEvent(event);
  }

  /** Connects until a stream has begun. */
  async #reach(): Promise<MessageStream<WatchDirResponse>> {
    for (;;) {
      this.#scope.signal.throwIfAborted();
      const stream = this.#connect();
      try {
        const first = await stream.next();
        if (first?.event.case !== "start")
          throw new ClientError("data_loss", "the stream of a watch did not begin with its start event");
        this.#accept(first.event.value);
        this.#tries.succeeded();
        return stream;
      } catch (thrown) {
        stream.close();
        const error = rpcError(thrown);
        const isForgotten =
          this.#watcherId !== "" && error instanceof ClientError && error.code === "not_found";
        if (isForgotten) this.#watcherId = "";
        else await this.#tries.afterFailure(error);
      }
    }
  }

  #accept({
    watcherId,
    offset = 0n,
  }: {
    readonly watcherId: string;
    readonly offset?: bigint | undefined;
  }): void {
    const isContinued = this.#watcherId !== "";
    if (!isContinued) this.#next = offset;
    this.#mustRescan ||= this.#hasBegun && !isContinued;
    this.#hasBegun = true;
    this.#watcherId = watcherId;
  }

  #connect(): MessageStream<WatchDirResponse> {
    const {
      recursive = false,
      includeEntry = false,
      exclude = [],
      allowNetworkMounts = false,
    } = this.#options;
    const request = {
      ...{ path: this.#path, recursive, includeEntry, allowNetworkMounts, exclude: [...exclude] },
      watcherId: this.#watcherId,
      fromOffset: this.#watcherId === "" ? 0n : this.#next,
    };
    const headers = userHeaders(this.#link, this.#options);
    return new MessageStream(
      this.#link,
      (rpc, how) => rpc.filesystem.watchDir(request, { ...how, headers: { ...how.headers, ...headers } }),
      this.#scope.signal,
    );
  }
}

const kinds: Readonly<Record<EventType, FileEvent["kind"]>> = {
  // A kind that this client does not know.
  [EventType.UNSPECIFIED]: "rescan",
  [EventType.CREATE]: "create",
  [EventType.WRITE]: "write",
  [EventType.REMOVE]: "remove",
  [EventType.RENAME]: "rename",
  [EventType.CHMOD]: "chmod",
};

function toFileEvent({ name, type, rescan, entry }: FilesystemEvent): FileEvent {
  return {
    kind: rescan ? "rescan" : (kinds[type] ?? "rescan"),
    name,
    ...(entry === undefined ? {} : { entry: toFileEntry(entry) }),
  };
}
