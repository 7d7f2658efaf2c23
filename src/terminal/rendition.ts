// The graphic rendition of text (SGR): bold, colors and so on, kept as the parameters that set it.

/** One place per property: the parameters that set it, or "" for the default. */
export type Rendition = readonly string[];

export const plainText: Rendition = Array.from({ length: 12 }, () => "");

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

/** Which places a parameter sets to itself. */
const setters = new Map<number, number>([
  ...[[1, BOLD] as const, [2, DIM] as const, [3, ITALIC] as const, [4, UNDERLINE] as const],
  ...[[5, BLINK] as const, [6, BLINK] as const, [7, INVERSE] as const, [8, HIDDEN] as const],
  ...[[9, STRIKE] as const, [21, UNDERLINE] as const, [53, OVERLINE] as const],
  ...range(30, 37, FOREGROUND),
  ...range(90, 97, FOREGROUND),
  ...range(40, 47, BACKGROUND),
  ...range(100, 107, BACKGROUND),
]);

/** Which places a parameter sets to the default. */
const resetters = new Map<number, readonly number[]>([
  [22, [BOLD, DIM]],
  [23, [ITALIC]],
  [24, [UNDERLINE]],
  [25, [BLINK]],
  [27, [INVERSE]],
  [28, [HIDDEN]],
  [29, [STRIKE]],
  [39, [FOREGROUND]],
  [49, [BACKGROUND]],
  [55, [OVERLINE]],
  [59, [UNDERLINE_COLOR]],
]);

/** Colors of 256 or 16 million. */
const colors = new Map<number, number>([
  [38, FOREGROUND],
  [48, BACKGROUND],
  [58, UNDERLINE_COLOR],
]);

/** `38;5;N` and `38;2;R;G;B`: how many parameters follow the kind. */
const colorParameters = new Map([
  ["5", 1],
  ["2", 3],
]);

/** `38:2::255:255:255` has 17 characters. */
const MAX_PARAMETER_LENGTH = 32;

/** The rendition after `CSI parameters m`. */
export function rendered(before: Rendition, parameters: string): Rendition {
  const after = [...before];
  const all = parameters.split(";");
  for (let at = 0; at < all.length; at++) {
    const parameter = all[at] ?? "";
    if (parameter.length > MAX_PARAMETER_LENGTH) continue;
    const number = Number.parseInt(parameter, 10) || 0;
    const color = colors.get(number);
    if (number === 0) after.fill("");
    else if (color !== undefined && !parameter.includes(":")) at += setColor(after, color, all.slice(at));
    else setOne(after, number, parameter);
  }
  return after;
}

/** The parameters that set `rendition` on plain text; "" for plain text. */
export function renditionParameters(rendition: Rendition): string {
  return rendition.filter((parameter) => parameter !== "").join(";");
}

function setOne(rendition: string[], number: number, parameter: string): void {
  const place = setters.get(number) ?? colors.get(number);
  // `4:0` is no underline.
  if (place !== undefined) rendition[place] = parameter === "4:0" ? "" : parameter;
  for (const reset of resetters.get(number) ?? []) rendition[reset] = "";
}

/** Returns how many more parameters belong to the color. */
function setColor(rendition: string[], place: number, parameters: readonly string[]): number {
  const more = colorParameters.get(parameters[1] ?? "");
  // As xterm does: nothing after a color of an unknown kind is used.
  if (more === undefined || parameters.length < 2 + more) return parameters.length;
  const color = parameters.slice(0, 2 + more);
  if (color.join(";").length <= MAX_PARAMETER_LENGTH) rendition[place] = color.join(";");
  return 1 + more;
}

function range(from: number, to: number, place: number): (readonly [number, number])[] {
  return Array.from({ length: to - from + 1 }, (_, index) => [from + index, place] as const);
}
