// The graphic rendition of text (SGR): bold, colors and so on, kept as the parameters that set it.

import type { Parameters } from "./parameters.ts";

/** One place per property: the parameters that set it, or "" for the default. */
export type Rendition = readonly string[];

const BOLD = 0;
const DIM = 1;
const ITALIC = 2;
const UNDERLINE = 3;
const BLINK = 4;
const INVERSE = 5;
const HIDDEN = 6;
const STRIKE = 7;
const OVERLINE = 8;
const FOREGROUND = 9;
const BACKGROUND = 10;
const UNDERLINE_COLOR = 11;
const PLACES = 12;

export const plainText: Rendition = Array.from({ length: PLACES }, () => "");

/** The place that a parameter sets to itself, by parameter; -1 for none. */
const setPlaces = new Int8Array(108).fill(-1);
for (const [from, to, place] of [
  ...[[1, 1, BOLD] as const, [2, 2, DIM] as const, [3, 3, ITALIC] as const, [4, 4, UNDERLINE] as const],
  ...[[5, 6, BLINK] as const, [7, 7, INVERSE] as const, [8, 8, HIDDEN] as const, [9, 9, STRIKE] as const],
  ...[[21, 21, UNDERLINE] as const, [53, 53, OVERLINE] as const],
  ...[[30, 38, FOREGROUND] as const, [90, 97, FOREGROUND] as const],
  ...[[40, 48, BACKGROUND] as const, [100, 107, BACKGROUND] as const, [58, 58, UNDERLINE_COLOR] as const],
])
  setPlaces.fill(place, from, to + 1);

/** The place that a parameter sets to the default. */
const resetPlaces = new Int8Array(108).fill(-1);
for (const [parameter, place] of [
  ...[[22, BOLD] as const, [23, ITALIC] as const, [24, UNDERLINE] as const, [25, BLINK] as const],
  ...[[27, INVERSE] as const, [28, HIDDEN] as const, [29, STRIKE] as const, [39, FOREGROUND] as const],
  ...[[49, BACKGROUND] as const, [55, OVERLINE] as const, [59, UNDERLINE_COLOR] as const],
])
  resetPlaces[parameter] = place;

/** The parameters as text, made once. */
const names = Array.from({ length: 256 }, (_, number) => String(number));

/** `38:2::255:255:255` has 17 characters. */
const MAX_PARAMETER_LENGTH = 32;

/** `CSI parameters m`, without parts. */
export function render(rendition: string[], parameters: Parameters): void {
  const { numbers, length } = parameters;
  if (length === 0) rendition.fill("");
  for (let at = 0; at < length; at++) {
    const number = numbers[at] ?? 0;
    if (number === 0) rendition.fill("");
    else if (isColor(number)) at += setColor(rendition, parameters, at);
    else setOne(rendition, number, names[number] ?? "");
  }
}

/** The same, where some have parts: `4:3`, `38:2::255:255:255`. Programs write these rarely. */
export function renderParts(rendition: string[], text: string): void {
  const all = text.split(";");
  for (let at = 0; at < all.length; at++) {
    const parameter = all[at] ?? "";
    const number = Number.parseInt(parameter, 10) || 0;
    const more = isColor(number) && !parameter.includes(":") ? moreOfColor(Number(all[at + 1])) : 0;
    if (at + more >= all.length) return;
    const whole = all.slice(at, at + more + 1).join(";");
    at += more;
    if (number === 0) rendition.fill("");
    // `4:0` means no underline.
    else if (whole.length <= MAX_PARAMETER_LENGTH) setOne(rendition, number, whole === "4:0" ? "" : whole);
  }
}

/** The parameters that set `rendition` on plain text; "" for plain text. */
export function renditionParameters(rendition: Rendition): string {
  return rendition.filter((parameter) => parameter !== "").join(";");
}

function isColor(number: number): boolean {
  return number === 38 || number === 48 || number === 58;
}

function setOne(rendition: string[], number: number, parameter: string): void {
  const set = setPlaces[number] ?? -1;
  if (set >= 0) rendition[set] = parameter;
  const reset = resetPlaces[number] ?? -1;
  if (reset >= 0) rendition[reset] = "";
  if (reset === BOLD) rendition[DIM] = "";
}

/** `38;5;N` or `38;2;R;G;B` at `at`. Returns how many parameters follow the first one. */
function setColor(rendition: string[], { numbers, length }: Parameters, at: number): number {
  const more = moreOfColor(numbers[at + 1] ?? 0);
  if (at + more >= length) return length;
  const color = [...numbers.subarray(at, at + more + 1)].map((number) => names[number & 0xff]);
  setOne(rendition, numbers[at] ?? 0, color.join(";"));
  return more;
}

/** How many parameters follow the first one of a color. As xterm does: all, if its kind is unknown. */
function moreOfColor(kind: number): number {
  if (kind === 5) return 2;
  return kind === 2 ? 4 : Number.POSITIVE_INFINITY;
}
