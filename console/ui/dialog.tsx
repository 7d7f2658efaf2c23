// A dialog: the browser keeps the focus in it, Esc closes it, and the focus returns to where it was.

import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useRef } from "preact/hooks";
import { plainLine } from "./format.ts";

interface DialogProps {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
  readonly isPalette?: boolean;
}

export function Dialog({ title, onClose, children, isPalette = false }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  // In the turn that shows it: the next key must reach the dialog, not what is below it.
  useLayoutEffect(() => {
    const before = document.activeElement;
    const dialog = ref.current;
    dialog?.showModal();
    return () => {
      // As long as it is open, nothing else takes the focus.
      dialog?.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={ref}
      class={isPalette ? "dialog palette" : "dialog"}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => {
        if (event.target === ref.current) onClose();
      }}
    >
      <div class="dialog-body">
        <h2 id={id} class={isPalette ? "unseen" : ""}>
          {plainLine(title)}
        </h2>
        {children}
      </div>
    </dialog>
  );
}
