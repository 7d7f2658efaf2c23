// The types of holdfast/client. `npm run typecheck` checks this file; it is never run.

import type { Transport } from "@connectrpc/connect";
import { expectTypeOf } from "vitest";
import type * as browser from "../../src/client/browser.ts";
import type {
  AttachOptions,
  Client,
  ClientErrorCode,
  ClientOptions,
  Clock,
  ConnectionState,
  DataEvent,
  Exit,
  FileDownload,
  FileEntry,
  FileEvent,
  Files,
  FileWatch,
  GapEvent,
  ListOptions,
  OutputEvent,
  ProcessInfo,
  ProcessOptions,
  RemoteProcess,
  Selector,
  SignalName,
  StartRequest,
  StoredFile,
  UploadContent,
} from "../../src/client/index.ts";
import {
  ClientError,
  createClient,
  DetachedError,
  FileChangedError,
  GapError,
  ProcessGoneError,
  RewoundError,
} from "../../src/client/index.ts";

// The browser's module has the same exports with the same types.
expectTypeOf<keyof typeof browser>().toEqualTypeOf<keyof typeof import("../../src/client/index.ts")>();
expectTypeOf<typeof browser.createClient>().toEqualTypeOf<typeof createClient>();
expectTypeOf<browser.RemoteProcess>().toEqualTypeOf<RemoteProcess>();

// createClient: every option is optional, none is widened.
expectTypeOf(createClient).parameters.toEqualTypeOf<[options: ClientOptions]>();
expectTypeOf(createClient).returns.toEqualTypeOf<Client>();
expectTypeOf<object>().toExtend<ClientOptions>();
expectTypeOf<ClientOptions["httpVersion"]>().toEqualTypeOf<"1.1" | "2" | undefined>();
expectTypeOf<ClientOptions["transport"]>().toEqualTypeOf<Transport | (() => Transport) | undefined>();
expectTypeOf<NonNullable<ClientOptions["reconnect"]>["clock"]>().toEqualTypeOf<Clock | undefined>();

// A client's calls.
expectTypeOf<Client["start"]>().toEqualTypeOf<
  (request: StartRequest, options?: ProcessOptions) => Promise<RemoteProcess>
>();
expectTypeOf<Client["attach"]>().toEqualTypeOf<
  (selector: Selector, options?: AttachOptions) => Promise<RemoteProcess>
>();
expectTypeOf<Client["list"]>().toEqualTypeOf<(options?: ListOptions) => Promise<ProcessInfo[]>>();
expectTypeOf<Client["close"]>().toEqualTypeOf<() => void>();

// A selector is a process_id, or an object with a pid, a tag or a process_id.
expectTypeOf<string>().toExtend<Selector>();
expectTypeOf<{ pid: number }>().toExtend<Selector>();
expectTypeOf<{ tag: string }>().toExtend<Selector>();
expectTypeOf<number>().not.toExtend<Selector>();
expectTypeOf<{ pid: string }>().not.toExtend<Selector>();

// A start needs only a command.
expectTypeOf<{ cmd: string }>().toExtend<StartRequest>();
expectTypeOf<Omit<StartRequest, "cmd">>().not.toExtend<StartRequest>();
expectTypeOf<readonly string[]>().toExtend<StartRequest["args"]>();

// Only attach accepts the options of an observer.
expectTypeOf<AttachOptions>().toExtend<ProcessOptions>();
expectTypeOf<AttachOptions["lag"]>().toEqualTypeOf<"block" | "skip" | undefined>();
expectTypeOf<ProcessOptions>().not.toHaveProperty("lag");
expectTypeOf<ProcessOptions["onRewind"]>().toEqualTypeOf<"error" | "resume" | undefined>();
expectTypeOf<ProcessOptions>().not.toHaveProperty("generation");
expectTypeOf<ProcessOptions["onGap"]>().toEqualTypeOf<"event" | "error" | undefined>();

// `kind` distinguishes the events of the iteration.
expectTypeOf<RemoteProcess>().toExtend<AsyncIterable<OutputEvent>>();
expectTypeOf<Extract<OutputEvent, { kind: "gap" }>>().toEqualTypeOf<GapEvent>();
expectTypeOf<Exclude<OutputEvent, { kind: "gap" }>>().toEqualTypeOf<DataEvent>();
expectTypeOf<DataEvent["data"]>().toEqualTypeOf<Uint8Array>();
expectTypeOf<RemoteProcess["exit"]>().toEqualTypeOf<Promise<Exit>>();
expectTypeOf<RemoteProcess["write"]>().parameter(0).toEqualTypeOf<string | Uint8Array>();
expectTypeOf<Extract<ConnectionState, { kind: "reconnecting" }>["reason"]>().toEqualTypeOf<ClientError>();
expectTypeOf<Extract<ConnectionState, { kind: "gone" }>["error"]>().toEqualTypeOf<ClientError>();

// Results are read-only.
expectTypeOf<Exit>().toEqualTypeOf<Readonly<Exit>>();
expectTypeOf<ProcessInfo>().toEqualTypeOf<Readonly<ProcessInfo>>();
expectTypeOf<Exit["signal"]>().toEqualTypeOf<string | undefined>();

// Every error is a ClientError with a code of a known set.
expectTypeOf<ProcessGoneError>().toExtend<ClientError>();
expectTypeOf<DetachedError>().toExtend<ClientError>();
expectTypeOf<GapError>().toExtend<ClientError>();
expectTypeOf<ClientError["code"]>().toEqualTypeOf<ClientErrorCode>();
expectTypeOf<"not_found" | "data_loss" | "resource_exhausted">().toExtend<ClientErrorCode>();
expectTypeOf<string>().not.toExtend<ClientErrorCode>();
expectTypeOf(new GapError(1, 2).from).toEqualTypeOf<number>();
expectTypeOf<RewoundError>().toExtend<ClientError>();
expectTypeOf(new RewoundError(2, 1).now).toEqualTypeOf<number>();
expectTypeOf(ClientError).instance.toExtend<Error>();
expectTypeOf(ProcessGoneError).instance.toHaveProperty("code");
expectTypeOf(DetachedError).instance.toHaveProperty("code");

// Signals are known by their names.
expectTypeOf<"SIGTERM">().toExtend<SignalName>();
expectTypeOf<"TERM">().not.toExtend<SignalName>();

// Files: contents in every form go in, and results are read-only.
expectTypeOf<Client["files"]>().toEqualTypeOf<Files>();
expectTypeOf<string | Uint8Array | Blob>().toExtend<UploadContent>();
expectTypeOf<ReadableStream<Uint8Array>>().toExtend<UploadContent>();
expectTypeOf<AsyncGenerator<Uint8Array>>().toExtend<UploadContent>();
expectTypeOf<FileDownload>().toExtend<UploadContent>();
expectTypeOf<number>().not.toExtend<UploadContent>();
expectTypeOf<Files["read"]>().returns.toEqualTypeOf<Promise<Uint8Array>>();
expectTypeOf<Files["readText"]>().returns.toEqualTypeOf<Promise<string>>();
expectTypeOf<Files["write"]>().returns.toEqualTypeOf<Promise<StoredFile>>();
expectTypeOf<Files["list"]>().returns.toEqualTypeOf<Promise<FileEntry[]>>();
expectTypeOf<FileEntry>().toEqualTypeOf<Readonly<FileEntry>>();
expectTypeOf<FileWatch>().toExtend<AsyncIterable<FileEvent>>();
expectTypeOf<"rescan">().toExtend<FileEvent["kind"]>();
expectTypeOf<FileChangedError>().toExtend<ClientError>();
expectTypeOf(new FileChangedError("/x", "").path).toEqualTypeOf<string>();
