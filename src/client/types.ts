// The client's public interface: what a caller hands in and gets back. All sizes are bytes, all times milliseconds.
// An offset counts bytes of a process's output since its start: stdout, stderr and pty together, in the order the agent
// read them.

import type { Transport } from "@connectrpc/connect";
import type { Clock } from "../clock.ts";
import type { ClientError } from "./errors.ts";

export interface ClientOptions {
  /**
   * The agent's address, `http://127.0.0.1:49983`. In Node it is all that is needed; where there is no Node (browsers,
   * workers) give `transport` instead.
   */
  readonly baseUrl?: string;
  /** With `baseUrl`: "1.1" (the default) gives each stream a connection of its own, "2" shares one (h2c). */
  readonly httpVersion?: "1.1" | "2";
  /**
   * Instead of `baseUrl`: any Connect transport, such as Connect-Web's. Better a function that makes one: it is called
   * again after a connection went silent, so that no call is sent down the dead connection of an HTTP/2 transport.
   */
  readonly transport?: Transport | (() => Transport);
  /** The user processes are started as; the agent's own where absent. `start` may say otherwise. */
  readonly user?: string;
  /** Sent as `X-Access-Token` with every call. */
  readonly token?: string;
  readonly reconnect?: ReconnectOptions;
}

/** All of it has defaults that suit a person at a terminal as well as a program. */
export interface ReconnectOptions {
  /**
   * The n-th try in a row waits a random time below `initialDelayMs * 2^(n-1)`, at most `maxDelayMs`: many clients that
   * lose one agent must not come back in one moment. 200 ms and 10 s.
   */
  readonly initialDelayMs?: number;
  readonly maxDelayMs?: number;
  /**
   * How long the agent of an attached process may be out of reach before the iteration, `exit` and writes fail with the
   * last reason. Default: for ever, or until a signal aborts.
   */
  readonly giveUpAfterMs?: number;
  /**
   * How long a single call (`start`, `attach` until it has begun, `list`, `signal`, `resize`, `closeStdin`) is retried
   * before it fails with the last reason. 30 s: the agent keeps a start_id for as long as it retains an ended process,
   * 60 s by default, and a `start` repeated after that would start a second process. 0: one try.
   */
  readonly callRetryMs?: number;
  /**
   * How often the agent is asked for a sign of life on an idle stream, in whole seconds. A stream or a call that is
   * silent for twice as long is taken for lost, and a connection that was idle for as long is not used again. 10.
   */
  readonly keepaliveSeconds?: number;
  /** For tests: time, and numbers in [0, 1) for the jitter. */
  readonly clock?: Clock;
  readonly random?: () => number;
}

/**
 * Talks to one agent. Every call takes an AbortSignal, which rejects it with the signal's reason, and rejects with a
 * ClientError for all else.
 */
export interface Client {
  /**
   * Starts a process, once, however often the request must be repeated: it carries a start_id. Resolves when the process
   * runs. `signal` covers the process's whole life here, not only the start: aborting it later is `detach` with an error.
   * Neither ever kills the process. A start that was aborted, or found nobody, may have started it all the same: `list`
   * shows it.
   */
  start(request: StartRequest, options?: ProcessOptions): Promise<RemoteProcess>;
  /**
   * Streams a process that runs, or one that has ended and is still retained. Without `fromOffset` it begins at the first
   * byte nobody has had, or from now on where others are attached. Rejects with ProcessGoneError where there is none.
   *
   * What was handed to a connection counts as had, also if that broke and its client never got it: give `fromOffset`, 0
   * for all there is, to go on where a client of your own was.
   */
  attach(selector: Selector, options?: AttachOptions): Promise<RemoteProcess>;
  /** Live processes in the order they were started; before them, with `includeEnded`, the retained ones. */
  list(options?: ListOptions): Promise<ProcessInfo[]>;
  /**
   * Signals a process, or with `group` its whole process group. Not repeated when its answer is lost, because the process
   * may have had it; but for SIGKILL, SIGSTOP and SIGCONT, where twice is the same as once.
   */
  signal(selector: Selector, name: SignalName, options?: SignalOptions): Promise<void>;
  /** Detaches from every process of this client, fails its pending calls and closes idle connections. Final. */
  close(): void;
}

/** Which process is meant. A bare string is a process_id. A tag means the newest live process that carries it. */
export type Selector =
  | string
  | { readonly processId: string }
  | { readonly pid: number }
  | { readonly tag: string };

export interface StartRequest {
  /** Looked up in the PATH of the process's own environment. */
  readonly cmd: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Absolute, `~`, or relative to the user's home, which is the default. */
  readonly cwd?: string;
  /** The user to run as; default: the client's `user`. */
  readonly user?: string;
  /** A name to find it by: see Selector. */
  readonly tag?: string;
  /** Runs it on a terminal of this size; its output events are then of kind `pty`. */
  readonly pty?: PtySize;
  /** True: a pipe for `write`. Default: /dev/null, so that nothing waits for input that never comes. A pty has input. */
  readonly stdin?: boolean;
  /** The process is killed when it has run for so long, and its exit says `timedOut`. Default: never. */
  readonly timeoutMs?: number;
  /**
   * Makes the start idempotent beyond this call: a second `start` with the same id and request, by whomever, attaches to
   * the first one's process from offset 0. Default: a fresh random one.
   */
  readonly startId?: string;
  /** What happens to output nobody reads; default: the agent's policy. */
  readonly output?: OutputPolicy;
}

export interface PtySize {
  readonly cols: number;
  readonly rows: number;
}

export interface OutputPolicy {
  /**
   * While no client is attached: `block` stops reading, so that the process waits; `buffer` reads on until
   * `detachedBufferBytes` are held; `ring` reads on for ever and keeps the newest `replayBytes`.
   */
  readonly detached?: "block" | "buffer" | "ring";
  readonly detachedBufferBytes?: number;
  /** How much output somebody has had stays held for a resume. */
  readonly replayBytes?: number;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
}

export interface ListOptions extends CallOptions {
  /** Also processes that have ended and are still retained. */
  readonly includeEnded?: boolean;
}

export interface SignalOptions extends CallOptions {
  /** The whole process group, so that its descendants get it, too. */
  readonly group?: boolean;
}

export interface ProcessOptions extends CallOptions {
  /**
   * What a gap does: "event" (the default) yields a GapEvent and goes on, "error" ends the iteration with a GapError.
   * It is never passed over in silence.
   */
  readonly onGap?: "event" | "error";
  /** Told each change, from the first try on. Must not throw. */
  readonly onState?: (state: ConnectionState) => void;
}

export interface AttachOptions extends ProcessOptions {
  /** Begin exactly here; 0 is the process's first byte. What is no longer held of it comes as a gap. */
  readonly fromOffset?: number;
  /** "skip": an observer that never slows the process and gets a gap when it falls behind. Default "block". */
  readonly lag?: "block" | "skip";
}

/**
 * A process that is attached. Iterate it to read its output:
 *
 *     for await (const event of process) if (event.kind === "stdout") console.log(event.data);
 *     const { exitCode } = await process.exit;
 *
 * A lost connection is reconnected and resumed at the very byte, unseen but for `onState`. Nothing is read ahead: while
 * nobody iterates, nothing is read from the connection, and a process that goes on writing waits (as its `lag` and the
 * agent's windows allow). Leaving the loop keeps the place: a second loop goes on with the next event. Two loops at once
 * share the events between them.
 */
export interface RemoteProcess extends AsyncIterable<OutputEvent> {
  readonly pid: number;
  /** Never reused, unlike the pid. */
  readonly processId: string;
  /** Whether it runs on a terminal. */
  readonly isPty: boolean;
  /** Of the next byte the iteration yields: `attach` with it as `fromOffset` goes on from here. */
  readonly offset: number;
  /**
   * How it ended, once the iteration has yielded all output before it: so it waits for a reader (a loop, or
   * `discardOutput`). Rejects as the iteration does, and with DetachedError after `detach`. Need not be handled.
   */
  readonly exit: Promise<Exit>;
  /** Reads the rest of the output and drops it, gaps too. Resolves and rejects as `exit`. */
  discardOutput(): Promise<Exit>;
  /**
   * Resolves when the process's pipe or terminal has taken all of `data` (text as UTF-8), exactly once and in the order of
   * the calls, over as many connections as it takes. Waits while the process does not read, however long. Rejects when it never will:
   * ended, stdin closed, detached, aborted; then some of it may have been taken. `data` must not change before.
   */
  write(data: Uint8Array | string, options?: CallOptions): Promise<void>;
  /** End of file on stdin after all earlier writes. On a terminal, write "\x04". */
  closeStdin(options?: CallOptions): Promise<void>;
  /** Sets the terminal's size. Called faster than the agent answers, only the newest size is sent. */
  resize(size: PtySize, options?: CallOptions): Promise<void>;
  /** See Client.signal. */
  signal(name: SignalName, options?: SignalOptions): Promise<void>;
  /** Leaves the process running: ends the iteration, fails pending calls, drops the connection. Repeatable. */
  detach(): void;
}

export type OutputEvent = DataEvent | GapEvent;

export interface DataEvent {
  readonly kind: "stdout" | "stderr" | "pty";
  readonly data: Uint8Array;
  /** Of its first byte. */
  readonly offset: number;
}

/** The bytes [from, to) are no longer held by the agent: they are lost to this client. */
export interface GapEvent {
  readonly kind: "gap";
  readonly from: number;
  readonly to: number;
}

export interface Exit {
  /** -1 when a signal ended the process. */
  readonly exitCode: number;
  /** False when a signal ended the process. */
  readonly exited: boolean;
  /** `exit status 1`, `signal: killed`. */
  readonly status: string;
  /** Absent for exit code 0, else the same words. */
  readonly error?: string;
  /** `SIGKILL`, where a signal with a name ended it. */
  readonly signal?: string;
  /** Whether the agent killed it because its `timeoutMs` were over. */
  readonly timedOut: boolean;
  /** Total bytes of output. */
  readonly offset: number;
}

export type ConnectionState =
  | { readonly kind: "connected"; readonly offset: number }
  /** The `attempt`-th try in a row begins in `delayMs`. `reason` is why the last connection was lost, or not made. */
  | {
      readonly kind: "reconnecting";
      readonly attempt: number;
      readonly delayMs: number;
      readonly reason: ClientError;
    }
  /** Final: what the iteration and `exit` fail with. */
  | { readonly kind: "gone"; readonly error: ClientError };

export interface ProcessInfo {
  readonly pid: number;
  readonly processId: string;
  readonly tag?: string;
  readonly cmd: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly isPty: boolean;
  readonly startedAt: Date;
  /** Set once it has ended. */
  readonly exit?: Exit;
  /** Total bytes of output so far. */
  readonly offset: number;
  /** How many streams are attached. */
  readonly subscribers: number;
  /** What the agent holds of its output. */
  readonly heldBytes: number;
  /** Whether the agent reads its output now; if not, the process waits once its pipe is full. */
  readonly reading: boolean;
}

/** The signals the agent sends. */
export type SignalName =
  | "SIGHUP"
  | "SIGINT"
  | "SIGQUIT"
  | "SIGKILL"
  | "SIGUSR1"
  | "SIGUSR2"
  | "SIGTERM"
  | "SIGCONT"
  | "SIGSTOP"
  | "SIGWINCH";
