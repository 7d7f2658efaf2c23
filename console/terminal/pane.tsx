// One pane: its title and tools, the terminal, the status line.

import { effect, signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { nameOf } from "../dashboard/rows.ts";
import { focusPane, type PaneAction, setPaneActions } from "../palette/pane-actions.ts";
import type { PaneAddress } from "../session/route.ts";
import { closePane } from "../session/state.ts";
import { strings } from "../strings.ts";
import { plainLine } from "../ui/format.ts";
import { guardClipboard } from "./clipboard.ts";
import { FindBar } from "./find-bar.tsx";
import { KeyBar } from "./key-bar.tsx";
import { watchKeys, watchPaste } from "./keys.ts";
import { actionsOf, type PaneTools } from "./pane-tools.ts";
import { PaneSession } from "./session.ts";
import { StatusLine } from "./status-line.tsx";
import { TextView } from "./text-view.tsx";
import { watchPinch } from "./touch.ts";

const coarsePointer = matchMedia("(pointer: coarse)");

export function Pane({ address }: { readonly address: PaneAddress }) {
  const [session] = useState(() => new PaneSession(address));
  const [title] = useState(() => signal(""));
  const [question] = useState(() => signal<Question | undefined>(undefined));
  const [find, setFind] = useState(false);
  const [text, setText] = useState<string>();
  const [keys, setKeys] = useState(coarsePointer.matches);
  const box = useRef<HTMLDivElement>(null);
  const key = `${address.mode}:${address.processId}`;
  const name = session.info.value === undefined ? placeholder(session) : nameOf(session.info.value);

  const tools: PaneTools = {
    session,
    name,
    find: () => setFind(true),
    showText: () => setText(session.screen.text()),
    toggleKeys: () => setKeys(!keys),
  };
  const latest = useRef(tools);
  latest.current = tools;

  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return;
    const { screen } = session;
    const { terminal } = screen;
    const ask = (asked: Question) => {
      // A program must not put its question in the place of one that the user is about to answer.
      if (asked.isFromProgram === true && question.value !== undefined) return;
      question.value = asked;
    };
    screen.open(element, strings.terminalLabel(name));
    watchKeys(session, {
      find: () => latest.current.find(),
      showText: () => latest.current.showText(),
      leave: () => element.closest(".pane")?.querySelector<HTMLElement>(".pane-head summary")?.focus(),
    });
    const stops = [watchPaste(element, session, ask), watchPinch(element, session)];
    guardClipboard(terminal, ask);
    terminal.onTitleChange((changed) => {
      title.value = plainLine(changed, 100);
    });
    const observer = new ResizeObserver(() => session.layout());
    observer.observe(element);
    const onFocus = () => session.layout();
    addEventListener("focus", onFocus);
    session.begin();
    if (session.address.mode !== "log") terminal.focus();
    return () => {
      removeEventListener("focus", onFocus);
      observer.disconnect();
      for (const stop of stops) stop();
      session.close();
    };
  }, []);

  // A keyboard is attached to a tablet, or taken away.
  useEffect(() => {
    const follow = () => setKeys(coarsePointer.matches);
    coarsePointer.addEventListener("change", follow);
    return () => coarsePointer.removeEventListener("change", follow);
  }, []);
  useEffect(
    () =>
      effect(() => {
        const info = session.info.value;
        const label = info === undefined ? strings.product : nameOf(info);
        document.title = title.value === "" ? label : `${label} · ${title.value}`;
        session.screen.terminal.textarea?.setAttribute("aria-label", strings.terminalLabel(label));
      }),
    [],
  );
  useLayoutEffect(() => setPaneActions(key, actionsOf(latest.current)));
  useLayoutEffect(() => () => setPaneActions(key, undefined), []);

  return (
    <section class="pane" aria-label={name} onFocusIn={() => focusPane(key)}>
      <div class="pane-head">
        <h1 class="pane-name">{name}</h1>
        {title.value !== "" && <span class="pane-title">{title.value}</span>}
        <span class="grow" />
        <Tools actions={actionsOf(tools)} />
        <button
          type="button"
          class="ghost"
          aria-label={strings.close}
          title={strings.close}
          onClick={() => closePane(address.processId)}
        >
          ✕
        </button>
      </div>
      {find && (
        <div class="find-place">
          <FindBar
            terminal={session.screen.terminal}
            onClose={() => {
              setFind(false);
              session.screen.terminal.focus();
            }}
          />
        </div>
      )}
      <div class="terminal-box" ref={box} />
      {question.value !== undefined && (
        <div
          class="question"
          role={question.value.isFromProgram ? "alert" : "alertdialog"}
          aria-label={question.value.text}
        >
          <span>{question.value.text}</span>
          <button
            type="button"
            class="primary"
            // The user may be typing when a program asks, and Enter must not be the answer.
            ref={question.value.isFromProgram ? null : focusButton}
            onClick={() => {
              question.value?.onYes();
              question.value = undefined;
              session.screen.terminal.focus();
            }}
          >
            {question.value.yes}
          </button>
          <button
            type="button"
            onClick={() => {
              question.value?.onNo?.();
              question.value = undefined;
              session.screen.terminal.focus();
            }}
          >
            {strings.deny}
          </button>
        </div>
      )}
      <StatusLine session={session} />
      {keys && address.mode === "control" && <KeyBar session={session} onHide={() => setKeys(false)} />}
      {text !== undefined && <TextView text={text} onClose={() => setText(undefined)} />}
    </section>
  );
}

function placeholder({ state, address }: PaneSession): string {
  return state.value.kind === "gone" || state.value.kind === "refused" ? address.processId : "…";
}

function focusButton(button: HTMLButtonElement | null): void {
  button?.focus();
}

/** A question in the pane that waits for the user. */
export interface Question {
  /** The user has done nothing that led to it. */
  readonly isFromProgram?: boolean;
  readonly text: string;
  readonly yes: string;
  readonly onYes: () => void;
  readonly onNo?: () => void;
}

function Tools({ actions }: { readonly actions: readonly PaneAction[] }) {
  return (
    <details class="menu pane-menu">
      <summary aria-label={strings.columns.actions}>⋯</summary>
      <div
        class="menu-items"
        onClick={({ currentTarget }) => currentTarget.parentElement?.removeAttribute("open")}
      >
        {actions.map(({ text, keys, act }) => (
          <button key={text} type="button" onClick={act}>
            {text} {keys !== undefined && <kbd>{keys}</kbd>}
          </button>
        ))}
      </div>
    </details>
  );
}
