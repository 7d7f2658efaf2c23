// A process's output as lines for reading: in front of each line the offset of its first byte, and whether it
// came from stdout (o) or stderr (e), by a letter and a bar. Colors stay; all other sequences are left out,
// because they would draw over other lines. A lone carriage return begins the line again, as in a terminal.

import type { OutputEvent } from "../../src/client/types.ts";
import { strings } from "../strings.ts";
import { Pieces } from "../terminal/pieces.ts";
import { formatBytes } from "../ui/format.ts";

type Kind = "stdout" | "stderr" | "pty";

const OFFSET_WIDTH = 11;
const DIM = "\x1b[90m";
const RED = "\x1b[31m";
const PLAIN = "\x1b[0m";

const marks: Readonly<Record<Kind, string>> = {
  stdout: `${DIM}${strings.stdoutLetter} │${PLAIN} `,
  stderr: `${RED}${strings.stderrLetter} ┃${PLAIN} `,
  pty: `${DIM}t │${PLAIN} `,
};

/** Everything that begins with ESC, apart from colors (CSI … m). */
const OTHER_SEQUENCES =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it finds.
  /\x1b(?:\[[0-?]*[ -/]*(?:[@-ln-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[PX^_][^\x1b]*(?:\x1b\\)?|[ -/]*[0-OQ-WYZ`-~])/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it finds.
const OTHER_CONTROLS = /[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]/g;

interface Source {
  readonly pieces: Pieces;
  readonly decoder: InstanceType<typeof TextDecoder>;
  /** The colors that are on, to continue after a line of the other kind. */
  color: string;
}

export class LogLines {
  readonly #sources: Record<Kind, Source> = { stdout: newSource(), stderr: newSource(), pty: newSource() };
  /** The kind of the line that is not complete. */
  #open: Kind | undefined;

  /** The text for a terminal that turns \n into a new line itself. */
  take(event: OutputEvent): string {
    if (event.kind === "gap") return this.#gap(event.from, event.to);
    const source = this.#sources[event.kind];
    return source.pieces
      .take(event.data, event.offset)
      .map(({ data, from }) => this.#text(event.kind, data, from))
      .join("");
  }

  #gap(from: number, to: number): string {
    for (const { pieces } of Object.values(this.#sources)) pieces.restart();
    const before = this.#open === undefined ? "" : `${PLAIN}\r\n`;
    this.#open = undefined;
    return `${before}${DIM}${String(from).padStart(OFFSET_WIDTH)}${PLAIN} ── ${strings.gap(formatBytes(to - from))} ──\r\n`;
  }

  #text(kind: Kind, data: Uint8Array, from: number): string {
    const source = this.#sources[kind];
    let result = "";
    let start = 0;
    while (start < data.length) {
      const newLine = data.indexOf(10, start);
      const end = newLine === -1 ? data.length : newLine;
      const text = source.decoder.decode(data.subarray(start, end), { stream: true });
      result += this.#line(kind, text, from + start, newLine !== -1);
      start = end + 1;
    }
    return result;
  }

  #line(kind: Kind, raw: string, offset: number, isWhole: boolean): string {
    const source = this.#sources[kind];
    const text = raw.replace(OTHER_SEQUENCES, "").replace(OTHER_CONTROLS, "").replace(/\r+$/, "");
    const head = `${DIM}${String(offset).padStart(OFFSET_WIDTH)}${PLAIN} ${marks[kind]}${source.color}`;
    const begin = this.#open === kind ? "" : `${this.#open === undefined ? "" : `${PLAIN}\r\n`}${head}`;
    // The color of the last sequence in the line continues in the next one.
    source.color = text.match(COLORS)?.at(-1) ?? source.color;
    const again = text.replaceAll("\r", `\r\x1b[K${head}`);
    this.#open = isWhole ? undefined : kind;
    return `${begin}${again}${isWhole ? `${PLAIN}\r\n` : ""}`;
  }
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it finds.
const COLORS = /\x1b\[[0-9;:]*m/g;

function newSource(): Source {
  return { pieces: new Pieces(), decoder: new TextDecoder(), color: "" };
}
