// Find in the output of a terminal.

import { useState } from "preact/hooks";
import { strings } from "../strings.ts";
import { findText, type SearchedTerminal } from "./find.ts";

interface FindBarProps {
  readonly terminal: SearchedTerminal;
  readonly onClose: () => void;
}

export function FindBar({ terminal, onClose }: FindBarProps) {
  const [isMissing, setMissing] = useState(false);
  const [text, setText] = useState("");
  const find = (back: boolean, staysOnMatch = false, wanted = text) =>
    setMissing(wanted !== "" && !findText(terminal, wanted, { back, staysOnMatch }));
  return (
    <div class="find" role="search">
      <input
        type="search"
        ref={(input) => {
          if (input !== null && !input.dataset["met"]) {
            input.dataset["met"] = "yes";
            input.focus();
          }
        }}
        aria-label={strings.findHint}
        placeholder={strings.findHint}
        value={text}
        onInput={({ currentTarget }) => {
          setText(currentTarget.value);
          find(false, true, currentTarget.value);
        }}
        onKeyDown={(event) => {
          if (event.key === "Escape") onClose();
          if (event.key === "Enter") find(event.shiftKey);
        }}
      />
      <span class="quiet" role="status">
        {isMissing ? strings.findNone : ""}
      </span>
      <button type="button" onClick={() => find(true)}>
        {strings.findPrevious}
      </button>
      <button type="button" onClick={() => find(false)}>
        {strings.findNext}
      </button>
      <button type="button" class="ghost" aria-label={strings.close} onClick={onClose}>
        ✕
      </button>
    </div>
  );
}
