// One pane: a terminal on the screen, attached to a process while the page is visible. It detaches
// from the process when the page is hidden and comes back at the same byte.
//
//   connection → for await → Pieces → xterm.js → parsed offset → snapshot
//                   ^                    |
//                   '------- Flow -------'

import { signal } from "@preact/signals";
import {
  DetachedError,
  type Exit,
  type GapEvent,
  ProcessGoneError,
  type ProcessInfo,
  type PtySize,
  type RemoteProcess,
} from "../../src/client/page-client.ts";
import { startedHere } from "../dashboard/start.ts";
import { LogLines } from "../log/log-lines.ts";
import { isVisible } from "../session/attention.ts";
import type { PaneAddress } from "../session/route.ts";
import { client, mayType, say, sayError } from "../session/state.ts";
import { streams } from "../session/streams.ts";
import { strings } from "../strings.ts";
import { formatBytes } from "../ui/format.ts";
import { Control } from "./control.ts";
import { Flow } from "./flow.ts";
import { InputQueue } from "./input-queue.ts";
import { type Piece, Pieces } from "./pieces.ts";
import { guardQueries } from "./queries.ts";
import { Recording } from "./recording.ts";
import { afterGap, restoredModes } from "./restore.ts";
import { Screen } from "./screen.ts";
import { fittingScreen, loadSnapshot, type Snapshot, storeSnapshot } from "./snapshots.ts";

export type PaneState =
  | { readonly kind: "attaching" }
  /** All streams of this browser are in use. */
  | { readonly kind: "waiting" }
  | { readonly kind: "attached" }
  | { readonly kind: "reconnecting"; readonly attempt: number; readonly atMs: number }
  | { readonly kind: "hidden" }
  | { readonly kind: "ended"; readonly exit: Exit }
  | { readonly kind: "gone" }
  | { readonly kind: "refused"; readonly text: string };

const RETRY_MS = 2_000;
const HIDE_AFTER_MS = 2_000;
const SNAPSHOT_MS = 2_000;
const SNAPSHOT_LINES = 5_000;
const TERMINAL_LINES = 10_000;
const LOG_LINES = 50_000;
/** The agent's reports of sizes that this page set itself. */
const OWN_SIZES = 20;

export class PaneSession {
  readonly address: PaneAddress;
  readonly screen: Screen;
  readonly state = signal<PaneState>({ kind: "attaching" });
  readonly info = signal<ProcessInfo | undefined>(undefined);
  readonly unsentBytes = signal(0);
  readonly gapBytes = signal(0);
  readonly inControl = signal(false);
  readonly recordedBytes = signal<number | undefined>(undefined);
  readonly offset = signal(0);
  readonly #canType: boolean;
  readonly #control: Control;
  readonly #input: InputQueue;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  readonly #flow = new Flow();
  readonly #log: LogLines | undefined;
  readonly #closing = new AbortController();
  #pieces = new Pieces();
  #process: RemoteProcess | undefined;
  /** The loop over the present stream, or over the one before. */
  #reading: Promise<void> = Promise.resolve();
  #begun = false;
  #liveFrom = 0;
  /** The offset that the terminal has parsed, and whether it is between sequences. */
  #parsed = 0;
  #isBetween = true;
  #storedOffset = -1;
  #isAnswering = false;
  #generation: string | undefined;
  #hasShown = false;
  /** The place behind everything that was received. */
  #next: number | undefined;
  /** This page has typed, or has started the process: the size is that of its pane. */
  #setsSize = false;
  #ownSizes: string[] = [];
  #sizesOnTheWay = 0;
  #sized: Promise<unknown> = Promise.resolve();
  #recording: Recording | undefined;
  #hideTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(address: PaneAddress) {
    this.address = address;
    this.#canType = address.mode === "control" && mayType.value;
    const isLog = address.mode === "log";
    this.#log = isLog ? new LogLines() : undefined;
    const stored = isLog ? undefined : loadSnapshot(sessionStorage, address.processId);
    this.screen = new Screen({
      cols: stored?.cols ?? 80,
      rows: stored?.rows ?? 24,
      scrollback: isLog ? LOG_LINES : TERMINAL_LINES,
      isReadOnly: !this.#canType,
      turnsNewLines: false,
    });
    this.#control = new Control(address.processId, (isMine) => {
      this.inControl.value = isMine && this.#canType;
      if (isMine) return;
      this.#setsSize = false;
      this.#ownSizes = [];
    });
    this.#input = new InputQueue({
      write: async (data) => {
        await this.#sized;
        await this.#process?.write(data);
      },
      onChange: () => {
        this.unsentBytes.value = this.#input.unsentBytes;
      },
      onFailure: (error) => {
        if (!(error instanceof DetachedError)) sayError(error);
      },
    });
    if (stored !== undefined) this.#restore(stored);
    this.#listen();
  }

  /** The element is in the page. */
  begin(): void {
    const timer = setInterval(() => this.storeScreen(), SNAPSHOT_MS);
    const onHide = () => this.storeScreen();
    addEventListener("pagehide", onHide);
    const stop = isVisible.subscribe((visible) => this.#seen(visible));
    this.#closing.signal.addEventListener("abort", () => {
      clearInterval(timer);
      clearTimeout(this.#hideTimer);
      clearTimeout(this.#retryTimer);
      removeEventListener("pagehide", onHide);
      stop();
    });
  }

  close(): void {
    this.storeScreen();
    this.#closing.abort();
    streams.release(this.#key);
    this.#process?.detach();
    this.#control.close();
    this.screen.dispose();
  }

  /** Takes a stream from another pane or window. */
  attachHere(): void {
    streams.takeOver(this.#key);
  }

  /** Changes the typed input: the key bar holds Ctrl. */
  transform: ((text: string) => string) | undefined;

  /** Text from the keyboard, or pasted. */
  type(text: string): void {
    this.typeKey(this.transform?.(text) ?? text);
  }

  /** Text as the process gets it. */
  typeKey(text: string): void {
    if (!this.#canType || this.isOver) return;
    this.#takeControl();
    if (!this.#input.push(new TextEncoder().encode(text))) say(strings.inputRefused, true);
  }

  get isOver(): boolean {
    return ["ended", "gone", "refused"].includes(this.state.value.kind);
  }

  /** Whether a program may run the lines of a paste one by one. */
  get runsPastedLines(): boolean {
    return !this.screen.terminal.modes.bracketedPasteMode;
  }

  takeControl(): void {
    if (this.#canType) this.#takeControl();
  }

  /** The pane has another size, or another font. */
  layout(): void {
    const { terminal } = this.screen;
    if (this.#log !== undefined || this.info.value?.isPty === false) {
      const size = this.screen.fittingSize();
      if (size !== undefined) terminal.resize(size.cols, size.rows);
    } else if (this.inControl.value && this.#setsSize && document.hasFocus()) this.#fitProcess();
    else this.screen.scaleToFit();
  }

  changeFont(by: number): void {
    this.screen.changeFont(by);
    this.layout();
  }

  /** Makes full-screen programs draw again: the kernel reports a size only when it changes. */
  async redraw(): Promise<void> {
    const { cols, rows } = this.screen.terminal;
    this.gapBytes.value = 0;
    await this.#setSize({ cols, rows: Math.max(1, rows - 1) });
    await this.#setSize({ cols, rows });
  }

  startRecording(title: string): void {
    const { cols, rows } = this.screen.terminal;
    this.#recording = new Recording({ cols, rows, startedAtMs: Date.now(), title });
    this.recordedBytes.value = 0;
  }

  stopRecording(): string {
    const text = this.#recording?.toString() ?? "";
    this.#recording = undefined;
    this.recordedBytes.value = undefined;
    return text;
  }

  get #key(): string {
    return `${this.address.mode}:${this.address.processId}`;
  }

  // ── Attaching ────────────────────────────────────────────────────────────────────────────────────────────────

  #seen(visible: boolean): void {
    clearTimeout(this.#hideTimer);
    if (visible && !this.isOver && this.#process === undefined) {
      this.state.value = { kind: "waiting" };
      streams.want(this.#key, {
        onGranted: () => void this.#attach(),
        onRevoked: () => this.#leave({ kind: "waiting" }),
      });
    } else if (!visible) this.#hideTimer = setTimeout(() => this.#hide(), HIDE_AFTER_MS);
  }

  #hide(): void {
    this.storeScreen();
    streams.release(this.#key);
    if (!this.isOver) this.#leave({ kind: "hidden" });
  }

  /** While it attached, the stream was given up again. */
  get #isLeft(): boolean {
    const { kind } = this.state.value;
    return kind === "waiting" || kind === "hidden";
  }

  #leave(state: PaneState): void {
    this.#input.isConnected = false;
    this.#process?.detach();
    this.#process = undefined;
    this.state.value = state;
  }

  async #attach(): Promise<void> {
    this.state.value = { kind: "attaching" };
    const { signal: closed } = this.#closing;
    const { processId, mode } = this.address;
    try {
      const from = client.value;
      if (from === undefined) return;
      const asks = [
        from.list({ process: processId, includeEnded: true, signal: closed }),
        this.#beginControl(),
      ] as const;
      const [[info]] = await Promise.all(asks);
      if (info === undefined) return this.#end({ kind: "gone" });
      this.#meet(info);
      if (this.#isLeft) return;
      const process = await from.attach(processId, {
        fromOffset: this.#next ?? 0,
        ...(this.#generation === undefined ? {} : { generation: this.#generation }),
        lag: mode === "control" && mayType.value ? "block" : "skip",
        onRewind: "resume",
        onSize: (size) => this.#sizeReported(size),
        onState: (state) => {
          if (state.kind === "connected") this.#connected();
          else if (state.kind === "reconnecting") {
            this.#input.isConnected = false;
            this.state.value = {
              kind: "reconnecting",
              attempt: state.attempt,
              atMs: Date.now() + state.delayMs,
            };
          } else if (state.kind === "rewound") this.#rewound(state.now, state.terminal?.restore);
        },
        signal: closed,
      });
      // Hidden or revoked meanwhile.
      if (!isVisible.value || this.#isLeft) return process.detach();
      this.#process = process;
      this.#generation = process.generation;
      this.#connected();
      // The loop of the stream before may still give the terminal its last event.
      await this.#reading.catch(() => {
        // Its own caller has handled the error.
      });
      this.#reading = this.#read(process);
      await this.#reading;
    } catch (error) {
      this.#failed(error);
    }
  }

  #connected(): void {
    if (this.#process === undefined) return;
    this.state.value = { kind: "attached" };
    this.#input.isConnected = true;
  }

  /** The first look at the process. */
  #meet(info: ProcessInfo): void {
    this.info.value = info;
    if (this.#begun) return;
    this.#begun = true;
    this.#liveFrom = startedHere.has(info.processId) ? 0 : (info.attachOffset ?? 0);
    this.#pieces = new Pieces(this.#liveFrom);
    this.#setsSize = startedHere.has(info.processId) && this.inControl.value;
    if (info.size !== undefined && this.#log === undefined) this.#resizeScreen(info.size);
    this.layout();
  }

  async #read(process: RemoteProcess): Promise<void> {
    const { terminal } = process;
    if (!this.#hasShown && process.offset > 0 && terminal !== undefined)
      this.screen.terminal.write(terminal.restore);
    for await (const event of process) {
      // Before the event is shown: the next stream begins behind it, however long that takes.
      this.#next = process.offset;
      if (this.#log !== undefined) await this.#showLog(this.#log.take(event), process.offset);
      else if (event.kind === "gap") await this.#showGap(event);
      else await this.#show(event.data, event.offset);
      this.offset.value = process.offset;
    }
    // Left: the loop of a detached process ends without an error.
    if (this.#process !== process) return;
    for (const piece of this.#pieces.rest()) this.#give(piece);
    this.#end({ kind: "ended", exit: await process.exit });
  }

  #failed(error: unknown): void {
    if (this.#closing.signal.aborted || error instanceof DetachedError) return;
    const { code } = error as { code?: string };
    if (error instanceof ProcessGoneError) this.#end({ kind: "gone" });
    else if (code === "unavailable" || code === "resource_exhausted" || code === "deadline_exceeded")
      this.#retryLater();
    else this.#end({ kind: "refused", text: error instanceof Error ? error.message : String(error) });
  }

  /** The first attach gave up; the pane does not. */
  #retryLater(): void {
    this.#process = undefined;
    this.state.value = { kind: "reconnecting", attempt: 1, atMs: Date.now() + RETRY_MS };
    this.#retryTimer = setTimeout(
      () => this.state.value.kind === "reconnecting" && void this.#attach(),
      RETRY_MS,
    );
  }

  #end(state: PaneState): void {
    this.#input.isConnected = false;
    this.#input.discard();
    this.#process = undefined;
    streams.release(this.#key);
    this.screen.terminal.options.disableStdin = true;
    this.screen.terminal.options.cursorInactiveStyle = "none";
    this.layout();
    this.state.value = state;
  }

  // ── Output ───────────────────────────────────────────────────────────────────────────────────────────────────

  async #show(data: Uint8Array, offset: number): Promise<void> {
    this.#record(data);
    for (const piece of this.#pieces.take(data, offset)) {
      this.#give(piece);
      await this.#flow.room();
    }
  }

  #give({ data, to, isBetween }: Piece): void {
    this.#hasShown = true;
    this.#flow.given(data.length);
    this.screen.terminal.write(data, () => {
      this.#isAnswering = false;
      this.#parsed = to;
      this.#isBetween = isBetween;
      this.#flow.parsed(data.length);
    });
  }

  async #showLog(text: string, offset: number): Promise<void> {
    if (text === "") return;
    this.#flow.given(text.length);
    this.screen.terminal.write(text, () => {
      this.#parsed = offset;
      this.#flow.parsed(text.length);
    });
    await this.#flow.room();
  }

  async #showGap({ from, to, terminal }: GapEvent): Promise<void> {
    const isFirst = !this.#hasShown && from === 0;
    this.#pieces.restart();
    // After what the terminal was given before, so that its screen is known.
    await new Promise<void>((resolve) => this.screen.terminal.write("", resolve));
    const isAlternate = this.screen.terminal.buffer.active.type === "alternate";
    const text = strings.gap(formatBytes(to - from));
    if (!isFirst) this.gapBytes.value += to - from;
    this.screen.terminal.write(afterGap({ isFirst, isAlternate, text, restore: terminal?.restore }), () => {
      this.#parsed = to;
      this.#isBetween = true;
    });
  }

  #rewound(now: number, restore: Uint8Array | undefined): void {
    this.#pieces.restart();
    this.screen.terminal.reset();
    if (restore !== undefined) this.screen.terminal.write(restore);
    this.#next = now;
  }

  #record(data: Uint8Array): void {
    if (this.#recording === undefined) return;
    this.#recording.output(data, Date.now());
    this.recordedBytes.value = this.#recording.bytes;
    if (this.#recording.isFull) say(strings.recordingFull, true);
  }

  // ── The screen over a reload ─────────────────────────────────────────────────────────────────────────────────

  #restore({ screen, offset, generation }: Snapshot): void {
    this.screen.terminal.write(screen, () => {
      this.#parsed = offset;
    });
    this.#next = offset;
    this.#parsed = offset;
    this.#storedOffset = offset;
    this.#hasShown = true;
    this.#generation = generation;
    this.offset.value = offset;
  }

  /** Does nothing within a sequence: the last screen that was stored stays. */
  storeScreen(): void {
    const isNew = this.#parsed !== this.#storedOffset && this.#parsed > 0;
    if (this.#log !== undefined || !this.#isBetween || !isNew) return;
    this.#storedOffset = this.#parsed;
    const { cols, rows } = this.screen.terminal;
    storeSnapshot(sessionStorage, this.address.processId, {
      offset: this.#parsed,
      generation: this.#process?.generation ?? this.#generation,
      cols,
      rows,
      screen:
        fittingScreen((lines) => this.screen.serialize(lines), SNAPSHOT_LINES) +
        restoredModes(this.screen.terminal),
      takenAtMs: Date.now(),
    });
  }

  // ── Input and size ───────────────────────────────────────────────────────────────────────────────────────────

  #listen(): void {
    const { terminal } = this.screen;
    guardQueries(terminal.parser, () => {
      const mayAnswer = this.inControl.value && this.#parsed >= this.#liveFrom && !this.isOver;
      if (mayAnswer) this.#isAnswering = true;
      return mayAnswer;
    });
    terminal.onData((text) => {
      const isFocusReport = text === "\x1b[I" || text === "\x1b[O";
      if (!this.#isAnswering && !isFocusReport) this.type(text);
      else if (this.inControl.value) this.#input.push(new TextEncoder().encode(text));
    });
    terminal.onBinary((text) =>
      this.#input.push(Uint8Array.from(text, (character) => character.charCodeAt(0))),
    );
    terminal.onResize(({ cols, rows }) => this.#recording?.resized(cols, rows, Date.now()));
  }

  #beginControl(): Promise<void> {
    return this.#canType && !this.#begun ? this.#control.begin() : Promise.resolve();
  }

  /** The size belongs to the page that types. */
  #takeControl(): void {
    const hadIt = this.inControl.value && this.#setsSize;
    this.#control.claim();
    this.inControl.value = this.#canType;
    this.#setsSize = this.#canType;
    if (!hadIt) this.#fitProcess();
  }

  #fitProcess(): void {
    const size = this.screen.fittingSize();
    const { terminal } = this.screen;
    if (size === undefined || (size.cols === terminal.cols && size.rows === terminal.rows)) return;
    terminal.resize(size.cols, size.rows);
    this.#sized = this.#setSize(size).catch(() => {
      // The next size is sent anyway, and the output shows the state of the connection.
    });
  }

  async #setSize(size: PtySize): Promise<void> {
    if (this.info.value?.isPty !== true) return;
    this.#ownSizes = [...this.#ownSizes.slice(1 - OWN_SIZES), `${size.cols}x${size.rows}`];
    this.#sizesOnTheWay++;
    try {
      await this.#process?.resize(size);
    } finally {
      this.#sizesOnTheWay--;
    }
  }

  #sizeReported(size: PtySize): void {
    const { terminal } = this.screen;
    if (this.#log !== undefined || (size.cols === terminal.cols && size.rows === terminal.rows)) return;
    const isOwn = this.#sizesOnTheWay > 0 || this.#ownSizes.includes(`${size.cols}x${size.rows}`);
    // A report of the size before the present one.
    if (isOwn && this.#setsSize) return;
    // Another page has typed.
    if (this.#setsSize) this.#control.lose();
    this.#resizeScreen(size);
    this.layout();
  }

  #resizeScreen({ cols, rows }: PtySize): void {
    if (cols > 0 && rows > 0) this.screen.terminal.resize(cols, rows);
  }
}
