// How much the agent and its machine use.

import { strings } from "../strings.ts";
import { formatBytes } from "../ui/format.ts";
import { agent, machine } from "./processes.ts";

interface GaugeProps {
  readonly name: string;
  readonly text: string;
  readonly note?: string;
  /** 0 to 1. */
  readonly share?: number | undefined;
  readonly isBad?: boolean;
}

export function Gauges() {
  const info = agent.value;
  const use = machine.value;
  const budget = info?.budgetBytes ?? 0;
  const held = info?.heldBytes ?? 0;
  const part = (used?: number, total?: number) =>
    used === undefined || !total ? undefined : Math.min(1, used / total);
  const of = (used?: number, total?: number) =>
    used === undefined || total === undefined
      ? strings.notKnown
      : `${formatBytes(used)} / ${formatBytes(total)}`;
  return (
    <dl class="gauges">
      <Gauge
        name={strings.budget}
        text={budget === 0 ? strings.notKnown : of(held, budget)}
        share={part(held, budget)}
        isBad={info?.budgetSpent === true}
        {...(info?.budgetSpent === true ? { note: strings.budgetSpent } : {})}
      />
      <Gauge
        name={strings.agentMemory}
        text={info?.residentBytes === undefined ? strings.notKnown : formatBytes(info.residentBytes)}
      />
      <Gauge
        name={strings.cpu}
        text={use === undefined ? strings.notKnown : `${use.cpu_used_pct.toFixed(0)} % of ${use.cpu_count}`}
        share={use === undefined ? undefined : use.cpu_used_pct / 100}
      />
      <Gauge
        name={strings.memory}
        text={of(use?.mem_used, use?.mem_total)}
        share={part(use?.mem_used, use?.mem_total)}
      />
      <Gauge
        name={strings.disk}
        text={of(use?.disk_used, use?.disk_total)}
        share={part(use?.disk_used, use?.disk_total)}
      />
      <Gauge
        name={strings.connections}
        text={info?.connections === undefined ? strings.notKnown : String(info.connections)}
      />
    </dl>
  );
}

function Gauge({ name, text, note, share, isBad = false }: GaugeProps) {
  return (
    <div class={isBad ? "gauge bad" : "gauge"}>
      <dt>{name}</dt>
      <dd>
        {text}
        {note !== undefined && <span class="note">{note}</span>}
        {share !== undefined && (
          <span class="bar" aria-hidden="true">
            <span style={{ width: `${(100 * share).toFixed(1)}%` }} />
          </span>
        )}
      </dd>
    </div>
  );
}
