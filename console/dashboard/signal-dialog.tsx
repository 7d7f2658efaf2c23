// Sends a signal. For one that ends a process at once or goes to a whole group, it asks once more.

import { signal } from "@preact/signals";
import { useState } from "preact/hooks";
import type { ProcessInfo, SignalName } from "../../src/client/page-client.ts";
import { client, say, sayError } from "../session/state.ts";
import { strings } from "../strings.ts";
import { Dialog } from "../ui/dialog.tsx";
import { commandOf } from "./rows.ts";

export const signalTarget = signal<ProcessInfo | undefined>(undefined);

const names: readonly SignalName[] = [
  "SIGTERM",
  "SIGINT",
  "SIGHUP",
  "SIGQUIT",
  "SIGKILL",
  "SIGSTOP",
  "SIGCONT",
  "SIGUSR1",
  "SIGUSR2",
];

export function SignalDialog({ info }: { readonly info: ProcessInfo }) {
  const [name, setName] = useState<SignalName>("SIGTERM");
  const [group, setGroup] = useState(false);
  const [isSure, setSure] = useState(false);
  const { pid, processId } = info;
  const command = commandOf(info).slice(0, 120);
  const mustAsk = (name === "SIGKILL" || group) && !isSure;
  const close = () => {
    signalTarget.value = undefined;
  };
  const send = (event: Event) => {
    event.preventDefault();
    if (mustAsk) {
      setSure(true);
      return;
    }
    client.value?.signal(processId, name, { group }).then(() => say(strings.signalSent(name, pid)), sayError);
    close();
  };
  return (
    <Dialog title={strings.signalTitle(pid)} onClose={close}>
      <form onSubmit={send}>
        <p class="mono quiet">{command}</p>
        <div class="choices" role="radiogroup" aria-label={strings.signal}>
          {names.map((option) => (
            <label key={option}>
              <input
                type="radio"
                name="signal"
                checked={option === name}
                onInput={() => {
                  setName(option);
                  setSure(false);
                }}
              />
              <span class="mono">{option.slice(3)}</span>
              <span class="quiet">{strings.signalMeanings[option]}</span>
            </label>
          ))}
        </div>
        <label class="check">
          <input
            type="checkbox"
            checked={group}
            onInput={({ currentTarget }) => {
              setGroup(currentTarget.checked);
              setSure(false);
            }}
          />
          <span>{strings.toGroup}</span>
        </label>
        {isSure && (
          <p class="error" role="alert">
            {group
              ? strings.confirmGroupSignal(name, pid, command)
              : strings.confirmSignal(name, pid, command)}
          </p>
        )}
        <div class="buttons">
          <button type="button" onClick={close}>
            {strings.cancel}
          </button>
          <button type="submit" class={name === "SIGKILL" || isSure ? "danger" : "primary"}>
            {strings.send} {name.slice(3)}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
