// How many characters fit into the page, before there is a terminal to measure: for a terminal that is about
// to be started.

export const FONT_PX = 13;
export const TERMINAL_FONT = 'ui-monospace, "SFMono-Regular", Menlo, Consolas, "DejaVu Sans Mono", monospace';

/** The bars above and below, and the borders. */
const AROUND_PX = { width: 24, height: 112 };
const LINE_HEIGHT = 1.17;

export function paneSize(): { cols: number; rows: number } {
  const context = document.createElement("canvas").getContext("2d");
  if (context === null) return { cols: 80, rows: 24 };
  context.font = `${FONT_PX}px ${TERMINAL_FONT}`;
  const { width } = context.measureText("W");
  return {
    cols: Math.max(20, Math.floor((innerWidth - AROUND_PX.width) / width)),
    rows: Math.max(8, Math.floor((innerHeight - AROUND_PX.height) / (FONT_PX * LINE_HEIGHT))),
  };
}
