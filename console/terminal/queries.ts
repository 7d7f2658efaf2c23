// Keeps a terminal from answering queries. A program asks its terminal for the position of the cursor, its
// kind, its colors, and the terminal's answer is typed into the program. In output that another page has
// read before, the question has been answered: a second answer would appear as garbage in a shell.
// xterm.js asks the newest handler of a sequence first, and a handler that returns true keeps it from all others.

/** The part of xterm.js's parser that is used. */
export interface QueryParser {
  registerCsiHandler(
    id: { prefix?: string; intermediates?: string; final: string },
    handler: (parameters: (number | number[])[]) => boolean,
  ): unknown;
  registerDcsHandler(id: { intermediates?: string; final: string }, handler: () => boolean): unknown;
  registerOscHandler(id: number, handler: (data: string) => boolean): unknown;
}

/** Device status, attributes (primary, secondary, tertiary), version, modes, kitty keyboard. */
const controls = [
  { final: "n" },
  { prefix: "?", final: "n" },
  { final: "c" },
  { prefix: ">", final: "c" },
  { prefix: "=", final: "c" },
  { prefix: ">", final: "q" },
  { intermediates: "$", final: "p" },
  { prefix: "?", intermediates: "$", final: "p" },
  { prefix: "?", final: "u" },
];

/** Reports of the window: 11 and from 13 to 21. Others, such as 22 (store the title), change something. */
function isWindowReport([kind]: readonly (number | number[])[]): boolean {
  return typeof kind === "number" && (kind === 11 || (kind >= 13 && kind <= 21));
}

/** DECRQSS and XTGETTCAP. */
const requests = [
  { intermediates: "$", final: "q" },
  { intermediates: "+", final: "q" },
];

/** Colors: the palette, foreground, background, cursor. A `?` instead of a color asks. */
const colors = [4, 5, 10, 11, 12, 17, 19];

/** Queries are dropped while `mayAnswer` returns false. */
export function guardQueries(parser: QueryParser, mayAnswer: () => boolean): void {
  const drop = () => !mayAnswer();
  for (const id of controls) parser.registerCsiHandler(id, drop);
  parser.registerCsiHandler({ final: "t" }, (parameters) => isWindowReport(parameters) && drop());
  for (const id of requests) parser.registerDcsHandler(id, drop);
  for (const id of colors) parser.registerOscHandler(id, (data) => data.split(";").includes("?") && drop());
}
