// The page without a session.

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { enter } from "../session/begin.ts";
import { login } from "../session/state.ts";
import { strings } from "../strings.ts";

export function LoginPage() {
  const [token, setToken] = useState("");
  const [remember, setRemember] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => field.current?.focus(), []);
  const problem = login.value.kind === "out" ? login.value.problem : undefined;
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    await enter(token === "" ? undefined : token, remember);
    setBusy(false);
  };
  return (
    <main class="login">
      <form class="card" onSubmit={submit}>
        <svg class="mark" viewBox="0 0 16 16" aria-hidden="true">
          <path d="M3 4l4 4-4 4M8.5 12.5H13" />
        </svg>
        <h1>{strings.loginTitle}</h1>
        <p class="quiet">{strings.loginText}</p>
        {problem !== undefined && (
          <p class="error" role="alert">
            {problem}
          </p>
        )}
        <label class="field">
          <span>{strings.token}</span>
          <input
            ref={field}
            type="password"
            autocomplete="off"
            value={token}
            onInput={({ currentTarget }) => setToken(currentTarget.value.trim())}
          />
        </label>
        <label class="check">
          <input
            type="checkbox"
            checked={remember}
            onInput={({ currentTarget }) => setRemember(currentTarget.checked)}
          />
          <span>{strings.rememberToken}</span>
        </label>
        <button type="submit" class="primary" disabled={isBusy}>
          {isBusy ? strings.loggingIn : strings.logIn}
        </button>
      </form>
    </main>
  );
}
