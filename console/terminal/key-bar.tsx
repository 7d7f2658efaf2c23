// Keys that a phone's keyboard lacks. Ctrl and Alt stay down for one key.

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { sayError } from "../session/state.ts";
import { strings } from "../strings.ts";
import { barKeys, barKeyText, type Held, withHeld } from "./key-text.ts";
import type { PaneSession } from "./session.ts";

const NONE: Held = { ctrl: false, alt: false };

export function KeyBar({ session, onHide }: { readonly session: PaneSession; readonly onHide: () => void }) {
  const [held, setHeld] = useState(NONE);
  const latest = useRef(held);
  latest.current = held;
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
      <button
        type="button"
        onClick={() => void navigator.clipboard?.readText().then((text) => terminal.paste(text), sayError)}
      >
        {strings.paste}
      </button>
      <button type="button" onClick={onHide}>
        {strings.hideKeys}
      </button>
    </div>
  );
}
