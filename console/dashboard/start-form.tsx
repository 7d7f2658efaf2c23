// The form that starts a process.

import { useRef, useState } from "preact/hooks";
import { go, sayError } from "../session/state.ts";
import { strings } from "../strings.ts";
import { randomId } from "../ui/random-id.ts";
import { splitCommandLine } from "./command-line.ts";
import { startAndOpen } from "./start.ts";
import { commandWords, type StartFields, toStartRequest } from "./start-request.ts";

const empty: StartFields = {
  line: "bash",
  inBash: false,
  user: "",
  cwd: "",
  environment: "",
  tag: "",
  isPty: true,
  timeLimit: "",
  detached: "ring",
};

export function StartForm() {
  const [fields, setFields] = useState(empty);
  const [problem, setProblem] = useState<{ field: keyof StartFields; text: string }>();
  const [isBusy, setBusy] = useState(false);
  // The same for every click on this form.
  const startId = useRef(randomId());
  const set = (change: Partial<StartFields>) => {
    startId.current = randomId();
    setProblem(undefined);
    setFields({ ...fields, ...change });
  };
  const submit = async (event: Event) => {
    event.preventDefault();
    const checked = toStartRequest(fields, startId.current);
    if (checked.kind === "problem") {
      setProblem(checked);
      return;
    }
    setBusy(true);
    await startAndOpen(checked.request).catch(sayError);
    setBusy(false);
  };
  const text = (name: "user" | "cwd" | "tag" | "timeLimit", label: string, hint: string) => (
    <label class="field">
      <span>{label}</span>
      <input
        value={fields[name]}
        autocomplete="off"
        spellcheck={false}
        aria-invalid={problem?.field === name}
        onInput={({ currentTarget }) => set({ [name]: currentTarget.value.trim() })}
      />
      <small>{problem?.field === name ? problem.text : hint}</small>
    </label>
  );
  const choice = (isPty: boolean, label: string) => (
    <label>
      <input type="radio" name="kind" checked={fields.isPty === isPty} onInput={() => set({ isPty })} />
      <span>{label}</span>
    </label>
  );
  return (
    <form class="start card" onSubmit={submit}>
      <h1>{strings.startProcess}</h1>
      <label class="field">
        <span>{strings.commandLine}</span>
        <input
          class="mono"
          value={fields.line}
          ref={(input) => {
            if (input !== null && document.activeElement === document.body) input.select();
          }}
          autocomplete="off"
          autocapitalize="off"
          spellcheck={false}
          aria-invalid={problem?.field === "line"}
          onInput={({ currentTarget }) => set({ line: currentTarget.value })}
        />
        <small>{problem?.field === "line" ? problem.text : strings.commandLineHint}</small>
      </label>
      <Words {...fields} />
      <label class="check">
        <input
          type="checkbox"
          checked={fields.inBash}
          onInput={({ currentTarget }) => set({ inBash: currentTarget.checked })}
        />
        <span>{strings.inBash}</span>
      </label>
      <fieldset class="choices inline">
        <legend>{strings.inputOutput}</legend>
        {choice(true, strings.terminal)}
        {choice(false, strings.pipes)}
      </fieldset>
      <div class="two">
        {text("user", strings.userField, strings.userHint)}
        {text("cwd", strings.folder, strings.folderHint)}
        {text("tag", strings.tagField, strings.tagHint)}
        {text("timeLimit", strings.timeLimit, strings.timeLimitHint)}
      </div>
      <label class="field">
        <span>{strings.environment}</span>
        <textarea
          class="mono"
          rows={2}
          spellcheck={false}
          value={fields.environment}
          aria-invalid={problem?.field === "environment"}
          onInput={({ currentTarget }) => set({ environment: currentTarget.value })}
        />
        <small>{problem?.field === "environment" ? problem.text : strings.environmentHint}</small>
      </label>
      <fieldset class="choices">
        <legend>{strings.outputMode}</legend>
        {(["ring", "buffer", "block"] as const).map((mode) => (
          <label key={mode}>
            <input
              type="radio"
              name="detached"
              checked={fields.detached === mode}
              onInput={() => set({ detached: mode })}
            />
            <span class="mono">{mode}</span>
            <span class="quiet">{strings.outputModes[mode]}</span>
          </label>
        ))}
      </fieldset>
      <div class="buttons">
        <button type="button" onClick={() => go({ page: "processes" })}>
          {strings.cancel}
        </button>
        <button type="submit" class="primary" disabled={isBusy}>
          {isBusy ? strings.starting : strings.start}
        </button>
      </div>
    </form>
  );
}

function Words({ line, inBash }: Pick<StartFields, "line" | "inBash">) {
  const words = commandWords({ line, inBash });
  if (typeof words === "string") return null;
  const split = splitCommandLine(line);
  return (
    <>
      <ol class="words" aria-label={strings.argv}>
        {words.map((word, index) => (
          <li key={index}>{word}</li>
        ))}
      </ol>
      {!inBash && split.kind === "words" && split.needsShell && (
        <small class="hint">{strings.needsShell}</small>
      )}
    </>
  );
}
