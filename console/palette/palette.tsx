// The command palette: everything that the page can do, by name, for the keyboard.

import { signal } from "@preact/signals";
import { useState } from "preact/hooks";
import { processes } from "../dashboard/processes.ts";
import { nameOf } from "../dashboard/rows.ts";
import { startAndOpen } from "../dashboard/start.ts";
import { logOut } from "../session/begin.ts";
import { go, isLimited, login, mayChange, mayType, openPane, sayError } from "../session/state.ts";
import { strings } from "../strings.ts";
import { Dialog } from "../ui/dialog.tsx";
import { matchActions } from "./match.ts";
import { type PaneAction, paneActions } from "./pane-actions.ts";

export const paletteIsOpen = signal(false);

const MAX_SHOWN = 50;

export function Palette() {
  const [text, setText] = useState("");
  const [chosen, setChosen] = useState(0);
  const found = matchActions(allActions(), text).slice(0, MAX_SHOWN);
  const at = Math.min(chosen, found.length - 1);
  const close = () => {
    paletteIsOpen.value = false;
  };
  const run = (action: PaneAction | undefined) => {
    if (action === undefined) return;
    close();
    // After the dialog has given the focus back.
    setTimeout(action.act);
  };
  const onKey = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined) setChosen(Math.max(0, Math.min(found.length - 1, at + step)));
    else if (event.key === "Enter") run(found[at]);
    else return;
    event.preventDefault();
  };
  return (
    <Dialog title={strings.palette} onClose={close} isPalette>
      <input
        type="text"
        role="combobox"
        aria-expanded="true"
        aria-controls="palette-list"
        aria-activedescendant={found.length > 0 ? `palette-${at}` : undefined}
        aria-label={strings.paletteHint}
        placeholder={strings.paletteHint}
        autocomplete="off"
        spellcheck={false}
        value={text}
        onInput={({ currentTarget }) => {
          setText(currentTarget.value);
          setChosen(0);
        }}
        onKeyDown={onKey}
      />
      {found.length === 0 && <p class="quiet">{strings.paletteNone}</p>}
      <ul id="palette-list" role="listbox" aria-label={strings.palette}>
        {found.map((action, index) => (
          <li
            key={`${action.text}${index}`}
            id={`palette-${index}`}
            role="option"
            aria-selected={index === at}
            ref={(item) => {
              if (index === at) item?.scrollIntoView({ block: "nearest" });
            }}
            onClick={() => run(action)}
          >
            <span>{action.text}</span>
            {action.keys !== undefined && <kbd>{action.keys}</kbd>}
          </li>
        ))}
      </ul>
    </Dialog>
  );
}

function allActions(): PaneAction[] {
  const isFree = mayChange.value && !isLimited.value;
  return [
    ...paneActions.value,
    ...(isFree
      ? [
          {
            text: strings.newTerminal,
            act: () =>
              void startAndOpen({
                cmd: "bash",
                pty: { cols: 80, rows: 24 },
                output: { detached: "ring" },
              }).catch(sayError),
          },
          { text: strings.startProcess, act: () => go({ page: "start" }) },
          { text: strings.files, act: () => go({ page: "files", path: "" }) },
        ]
      : []),
    { text: strings.processes, act: () => go({ page: "processes" }) },
    { text: strings.player, act: () => go({ page: "player" }) },
    ...(login.value.kind === "in" && login.value.token !== undefined
      ? [{ text: strings.logOut, act: logOut }]
      : []),
    ...processes.value.slice(0, 500).map((info) => ({
      text: `${info.isPty ? strings.terminal : strings.log}: ${nameOf(info)} (${info.pid})`,
      act: () =>
        openPane({
          processId: info.processId,
          mode: info.isPty ? (mayType.value ? "control" : "watch") : "log",
        }),
    })),
  ];
}
