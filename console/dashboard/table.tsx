// The table of processes. Arrow keys move between rows; letters act on the row that has the focus. Of more
// than 200 rows only those in view are in the page.

import type { Signal } from "@preact/signals";
import { useRef, useState } from "preact/hooks";
import type { ProcessInfo } from "../../src/client/page-client.ts";
import { mayChange, mayType, openPane } from "../session/state.ts";
import { strings } from "../strings.ts";
import { copyText } from "../ui/copy.ts";
import { formatAge, formatBytes, formatRate, plainLine } from "../ui/format.ts";
import { answeredAt, rates } from "./processes.ts";
import { commandOf, type Order, readingOf, type SortKey, stateOf } from "./rows.ts";
import { signalTarget } from "./signal-dialog.tsx";

const VIRTUAL_ABOVE = 200;
const ROW_PX = 33;
const OVERSCAN = 20;

interface TableProps {
  readonly rows: readonly ProcessInfo[];
  readonly order: Signal<Order>;
}

const sortable: readonly (readonly [SortKey, string, string])[] = [
  ["state", strings.columns.state, ""],
  ["pid", strings.columns.pid, "number"],
  ["tag", strings.columns.tag, ""],
  ["command", strings.columns.command, "command"],
  ["user", strings.columns.user, "col-user"],
  ["kind", strings.columns.kind, "col-kind"],
  ["age", strings.columns.age, "number"],
  ["output", strings.columns.output, "number col-output"],
  ["rate", strings.columns.rate, "number col-rate"],
  ["held", strings.columns.held, "number col-held"],
  ["clients", strings.columns.clients, "number col-clients"],
];

export function ProcessTable({ rows, order }: TableProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const isVirtual = rows.length > VIRTUAL_ABOVE;
  const height = scroller.current?.clientHeight ?? 800;
  const first = isVirtual ? Math.max(0, Math.floor(top / ROW_PX) - OVERSCAN) : 0;
  const last = isVirtual ? Math.min(rows.length, Math.ceil((top + height) / ROW_PX) + OVERSCAN) : rows.length;
  const sortBy = (key: SortKey) => {
    const { key: before, descending } = order.value;
    order.value = { key, descending: before === key && !descending };
  };
  return (
    <div
      ref={scroller}
      class="table-box"
      onScroll={({ currentTarget }) => isVirtual && setTop(currentTarget.scrollTop)}
      onKeyDown={(event) => moveFocus(event)}
    >
      <table class="processes" aria-rowcount={rows.length + 1}>
        <thead>
          <tr>
            {sortable.map(([key, text, style]) => (
              <th key={key} class={style} aria-sort={sortState(order.value, key)}>
                <button type="button" onClick={() => sortBy(key)}>
                  {text}
                </button>
              </th>
            ))}
            <th class="col-reading">{strings.columns.reading}</th>
            <th>
              <span class="unseen">{strings.columns.actions}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {first > 0 && <Spacer px={first * ROW_PX} />}
          {rows.slice(first, last).map((info, index) => (
            <Row key={info.processId} info={info} index={first + index} />
          ))}
          {last < rows.length && <Spacer px={(rows.length - last) * ROW_PX} />}
        </tbody>
      </table>
    </div>
  );
}

function Spacer({ px }: { readonly px: number }) {
  return (
    <tr aria-hidden="true">
      <td colSpan={13} class="spacer" style={{ height: `${px}px` }} />
    </tr>
  );
}

function Row({ info, index }: { readonly info: ProcessInfo; readonly index: number }) {
  const now = answeredAt.value ?? Date.now();
  const state = stateOf(info);
  const command = commandOf(info);
  const tag = plainLine(info.tag ?? "");
  const until = info.exit === undefined ? now : undefined;
  const path = info.exit === undefined ? rates.sparkline(info.processId, now, 60, 14) : "";
  const act = actionsFor(info);
  const reading = readingOf(info);
  return (
    <tr
      tabIndex={0}
      aria-rowindex={index + 2}
      class={info.exit === undefined ? "" : "has-ended"}
      onKeyDown={(event) => {
        if (event.target !== event.currentTarget || event.ctrlKey || event.altKey || event.metaKey) return;
        const action = { Enter: act.watch, c: act.control, l: act.log, k: act.signal, x: act.copy }[
          event.key
        ];
        if (action === undefined) return;
        event.preventDefault();
        action();
      }}
      onDblClick={act.open}
    >
      <td>
        <span class={`state ${state.kind}`}>{state.text}</span>
      </td>
      <td class="number">{info.pid}</td>
      <td class="tag">{tag}</td>
      <td class="command">
        {tag !== "" && <span class="narrow-tag">{tag}</span>}
        <button type="button" class="open" title={command} onClick={act.open}>
          {command}
        </button>
      </td>
      <td class="col-user">{plainLine(info.user ?? "")}</td>
      <td class="col-kind">{info.isPty ? strings.terminal : strings.pipes}</td>
      <td class="number">{until === undefined ? "" : formatAge(until - info.startedAt.getTime())}</td>
      <td class="number col-output">{formatBytes(info.offset)}</td>
      <td class="number col-rate">
        {path !== "" && (
          <svg class="spark" viewBox="0 0 60 14" aria-hidden="true">
            <path d={path} />
          </svg>
        )}
        <span>{info.exit === undefined ? formatRate(rates.now(info.processId, now)) : ""}</span>
      </td>
      <td class="number col-held">{formatBytes(info.heldBytes)}</td>
      <td class="number col-clients">{info.subscribers === 0 ? "" : info.subscribers}</td>
      <td class={info.reading ? "col-reading" : "col-reading paused"} title={reading}>
        {reading}
      </td>
      <td class="actions">
        <details class="menu">
          <summary aria-label={strings.rowActions(command)}>
            <svg viewBox="0 0 16 16" aria-hidden="true">
              <circle cx="8" cy="3" r="1.3" />
              <circle cx="8" cy="8" r="1.3" />
              <circle cx="8" cy="13" r="1.3" />
            </svg>
          </summary>
          <div
            class="menu-items"
            onClick={({ currentTarget }) => currentTarget.parentElement?.removeAttribute("open")}
          >
            {act.control !== undefined && <Item text={strings.attach} keys="c" act={act.control} />}
            <Item text={strings.watch} keys="Enter" act={act.watch} />
            <Item text={strings.log} keys="l" act={act.log} />
            {act.signal !== undefined && <Item text={strings.signal} keys="k" act={act.signal} />}
            <Item text={strings.copyId} keys="x" act={act.copy} />
          </div>
        </details>
      </td>
    </tr>
  );
}

function Item({
  text,
  keys,
  act,
}: {
  readonly text: string;
  readonly keys: string;
  readonly act: () => void;
}) {
  return (
    <button type="button" onClick={act}>
      {text} <kbd>{keys}</kbd>
    </button>
  );
}

function actionsFor(info: ProcessInfo) {
  const { processId, isPty, exit } = info;
  const show = (mode: "control" | "watch" | "log") => () => openPane({ processId, mode });
  const isLive = exit === undefined;
  const mayControl = mayType.value && isLive;
  const watch = show(isPty ? "watch" : "log");
  return {
    open: mayControl && isPty ? show("control") : watch,
    watch,
    log: show("log"),
    control: mayControl ? show("control") : undefined,
    signal:
      mayChange.value && isLive
        ? () => {
            signalTarget.value = info;
          }
        : undefined,
    copy: () => void copyText(processId),
  };
}

function sortState({ key, descending }: Order, of: SortKey): "ascending" | "descending" | "none" {
  if (key !== of) return "none";
  return descending ? "descending" : "ascending";
}

function moveFocus(event: KeyboardEvent): void {
  const row = (event.target as Element).closest("tbody tr");
  const next = { ArrowDown: row?.nextElementSibling, ArrowUp: row?.previousElementSibling }[event.key];
  if (!(next instanceof HTMLElement) || event.target !== row) return;
  event.preventDefault();
  next.focus();
}
