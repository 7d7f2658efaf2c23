// Two fingers set the size of the text.

import type { PaneSession } from "./session.ts";

const STEP = 1.12;

export function watchPinch(element: HTMLElement, session: PaneSession): () => void {
  let before: number | undefined;
  const distance = ({ touches: [a, b] }: TouchEvent) =>
    a === undefined || b === undefined ? undefined : Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
  const onMove = (event: TouchEvent) => {
    const now = distance(event);
    if (now === undefined) return;
    event.preventDefault();
    before ??= now;
    const by = now / before > STEP ? 1 : before / now > STEP ? -1 : 0;
    if (by === 0) return;
    before = now;
    session.changeFont(by);
  };
  const onEnd = () => {
    before = undefined;
  };
  element.addEventListener("touchmove", onMove, { passive: false });
  element.addEventListener("touchend", onEnd);
  return () => {
    element.removeEventListener("touchmove", onMove);
    element.removeEventListener("touchend", onEnd);
  };
}
