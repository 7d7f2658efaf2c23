// Keys that a phone's keyboard lacks. Ctrl and Alt stay down for one key.

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { strings } from "../strings.ts";
import { Dialog } from "../ui/dialog.tsx";
import { barKeys, barKeyText, type Held, withHeld } from "./key-text.ts";
import type { PaneSession } from "./session.ts";

const NONE: Held = { ctrl: false, alt: false };

export function KeyBar({ session, onHide }: { readonly session: PaneSession; readonly onHide: () => void }) {
  const [held, setHeld] = useState(NONE);
  const latest = useRef(held);
  latest.current = held;
  const [isPasting, setPasting] = useState(false);
  const { terminal } = session.screen;
  useLayoutEffect(() => {
    session.transform = (text) => {
      const { ctrl, alt } = latest.current;
      if (!ctrl && !alt) return text;
      setHeld(NONE);
      return withHeld(text, { ctrl, alt });
    };
    return () => {
      session.transform = undefined;
    };
  }, []);
  // The terminal keeps the focus, and with it the phone its keyboard.
  const keepFocus = (event: Event) => event.preventDefault();
  const hold = (name: keyof Held) => () => setHeld({ ...held, [name]: !held[name] });
  return (
    <div
      class="key-bar"
      role="toolbar"
      aria-label={strings.keyBar}
      onPointerDown={keepFocus}
      onMouseDown={keepFocus}
    >
      {(["ctrl", "alt"] as const).map((name) => (
        <button key={name} type="button" aria-pressed={held[name]} onClick={hold(name)}>
          {name === "ctrl" ? "Ctrl" : "Alt"}
        </button>
      ))}
      {barKeys.map((key) => (
        <button
          key={key}
          type="button"
          onClick={() => {
            session.typeKey(barKeyText(key, terminal.modes.applicationCursorKeysMode, held));
            setHeld(NONE);
          }}
        >
          {key}
        </button>
      ))}
      <button type="button" onClick={() => setPasting(true)}>
        {strings.paste}
      </button>
      <button type="button" onClick={onHide}>
        {strings.hideKeys}
      </button>
      {isPasting && (
        <PasteDialog
          onText={(text) => terminal.paste(text)}
          onClose={() => {
            setPasting(false);
            terminal.focus();
          }}
        />
      )}
    </div>
  );
}

interface PasteDialogProps {
  readonly onText: (text: string) => void;
  readonly onClose: () => void;
}

/** The page may not read the clipboard; the user puts the text here, and sees it before it is sent. */
function PasteDialog({ onText, onClose }: PasteDialogProps) {
  const [text, setText] = useState("");
  const submit = (event: Event) => {
    event.preventDefault();
    onClose();
    onText(text);
  };
  return (
    <Dialog title={strings.pasteTitle} onClose={onClose}>
      <form onSubmit={submit} onPointerDown={stop} onMouseDown={stop}>
        <textarea
          class="mono"
          rows={5}
          autocapitalize="off"
          spellcheck={false}
          aria-label={strings.pasteTitle}
          value={text}
          onInput={({ currentTarget }) => setText(currentTarget.value)}
        />
        <div class="buttons">
          <button type="button" onClick={onClose}>
            {strings.cancel}
          </button>
          <button type="submit" class="primary" disabled={text === ""}>
            {strings.paste}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

const stop = (event: Event) => event.stopPropagation();
