// The page of all processes: gauges, filter, table.

import { computed, signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { go, isLimited, mayChange } from "../session/state.ts";
import { strings } from "../strings.ts";
import { Gauges } from "./gauges.tsx";
import { answeredAt, processes, rates } from "./processes.ts";
import { type Order, type Shown, selectRows } from "./rows.ts";
import { SignalDialog, signalTarget } from "./signal-dialog.tsx";
import { ProcessTable } from "./table.tsx";

const shown = signal<Shown>("live");
const filter = signal("");
const order = signal<Order>({ key: "age", descending: false });

const rows = computed(() =>
  selectRows(processes.value, {
    shown: shown.value,
    filter: filter.value,
    order: order.value,
    rateOf: (processId) => rates.now(processId, answeredAt.value ?? 0),
  }),
);
const counts = computed(() => {
  const ended = processes.value.filter(({ exit }) => exit !== undefined).length;
  return { live: processes.value.length - ended, ended };
});

export function Dashboard() {
  const search = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => {
    document.title = strings.product;
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== "/" || event.target instanceof HTMLInputElement) return;
      event.preventDefault();
      search.current?.focus();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  const { live, ended } = counts.value;
  const tabs: [Shown, string, number][] = [
    ["live", strings.live, live],
    ["ended", strings.ended, ended],
    ["all", strings.all, live + ended],
  ];
  return (
    <div class="dashboard">
      <h1 class="unseen">{strings.processes}</h1>
      <Summary />
      {!isLimited.value && <Gauges />}
      <div class="tools">
        <div class="segments" role="group" aria-label={strings.showWhich}>
          {tabs.map(([key, text, count]) => (
            <button
              key={key}
              type="button"
              aria-pressed={shown.value === key}
              onClick={() => {
                shown.value = key;
              }}
            >
              {text} <span class="count">{count}</span>
            </button>
          ))}
        </div>
        <input
          ref={search}
          type="search"
          class="filter"
          placeholder={`${strings.filter}  /`}
          aria-label={strings.filterHint}
          value={filter.value}
          onInput={({ currentTarget }) => {
            filter.value = currentTarget.value;
          }}
        />
        <span class="grow" />
        <span class="quiet wide-only">{strings.keysHint}</span>
      </div>
      {answeredAt.value !== undefined && rows.value.length === 0 ? (
        <Nothing />
      ) : (
        <ProcessTable rows={rows.value} order={order} />
      )}
      {signalTarget.value !== undefined && <SignalDialog info={signalTarget.value} />}
    </div>
  );
}

/** For screen readers, at most every five seconds. */
function Summary() {
  const [text, setText] = useState("");
  useEffect(() => {
    const tell = () => setText(strings.summary(counts.value.live, counts.value.ended));
    const timer = setInterval(tell, 5_000);
    return () => clearInterval(timer);
  }, []);
  return (
    <p class="unseen" aria-live="polite">
      {text}
    </p>
  );
}

function Nothing() {
  const mayStart = mayChange.value && !isLimited.value;
  if (filter.value !== "") return <p class="empty quiet">{strings.noMatch(filter.value)}</p>;
  return (
    <div class="empty">
      <h2>{strings.emptyTitle}</h2>
      <p class="quiet">{mayStart ? strings.emptyText : strings.emptyTextReadOnly}</p>
      {mayStart && (
        <button type="button" class="primary" onClick={() => go({ page: "start" })}>
          {strings.startProcess}
        </button>
      )}
    </div>
  );
}
