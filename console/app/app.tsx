// The frame of the page: the bar at the top, the page of the address, notices, dialogs.

import { useEffect, useLayoutEffect, useState } from "preact/hooks";
import { Dashboard } from "../dashboard/dashboard.tsx";
import { look, silentSince } from "../dashboard/processes.ts";
import { Palette, paletteIsOpen } from "../palette/palette.tsx";
import { logOut } from "../session/begin.ts";
import { go, isLimited, login, mayChange, mayType, notice, route, wasRestarted } from "../session/state.ts";
import { strings } from "../strings.ts";
import { lazyPage } from "./lazy-page.tsx";
import { LoginPage } from "./login-page.tsx";

const Panes = lazyPage(async () => (await import("../terminal/workspace.tsx")).Workspace);
const FilesPage = lazyPage(async () => (await import("../files/files-page.tsx")).FilesPage);
const StartForm = lazyPage(async () => (await import("../dashboard/start-form.tsx")).StartForm);

export function App() {
  const { kind } = login.value;
  return (
    <>
      {kind === "loading" && <p class="center quiet">{strings.connecting}</p>}
      {kind === "out" && <LoginPage />}
      {kind === "in" && <Frame />}
      <Notice />
    </>
  );
}

function Frame() {
  useEffect(look, []);
  useLayoutEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (!event.ctrlKey || !event.shiftKey || event.code !== "KeyP") return;
      event.preventDefault();
      paletteIsOpen.value = true;
    };
    addEventListener("keydown", onKey, { capture: true });
    return () => removeEventListener("keydown", onKey, { capture: true });
  }, []);
  return (
    <div class="frame">
      <a
        class="skip"
        href="#content"
        onClick={(event) => {
          event.preventDefault();
          document.getElementById("content")?.focus();
        }}
      >
        {strings.skipToContent}
      </a>
      <TopBar />
      <Warnings />
      <main id="content" tabIndex={-1}>
        <Page />
      </main>
      {paletteIsOpen.value && <Palette />}
    </div>
  );
}

function Page() {
  const { page } = route.value;
  if (page === "start" && mayChange.value) return <StartForm />;
  if (page === "files" && mayChange.value && !isLimited.value)
    return <FilesPage path={route.value.page === "files" ? route.value.path : ""} />;
  if (page === "panes" || page === "player") return <Panes />;
  return <Dashboard />;
}

function TopBar() {
  const { page } = route.value;
  const link = (name: "processes" | "files", text: string, href: string) => (
    <a class="tab" href={href} aria-current={page === name ? "page" : undefined}>
      {text}
    </a>
  );
  return (
    <header class="top">
      <a class="brand" href="#/" aria-label={strings.product}>
        <svg viewBox="0 0 16 16" aria-hidden="true">
          <path d="M3 4l4 4-4 4M8.5 12.5H13" />
        </svg>
        <span>{strings.product}</span>
      </a>
      <nav>
        {link("processes", strings.processes, "#/")}
        {mayChange.value && !isLimited.value && link("files", strings.files, "#/files/")}
      </nav>
      <span class="grow" />
      {!mayType.value && (
        <span class="badge" title={strings.readOnlyHint}>
          {strings.readOnly}
        </span>
      )}
      {mayChange.value && !isLimited.value && (
        <button type="button" class="primary" onClick={() => go({ page: "start" })}>
          {strings.start}
        </button>
      )}
      <button
        type="button"
        class="ghost"
        aria-keyshortcuts="Control+Shift+P"
        title={`${strings.palette} (Ctrl-Shift-P)`}
        onClick={() => {
          paletteIsOpen.value = true;
        }}
      >
        <svg viewBox="0 0 16 16" aria-hidden="true">
          <path d="M2.5 4h11M2.5 8h11M2.5 12h11" />
        </svg>
        <span class="unseen">{strings.palette}</span>
      </button>
      {login.value.kind === "in" && login.value.token !== undefined && (
        <button type="button" class="ghost wide-only" onClick={logOut}>
          {strings.logOut}
        </button>
      )}
    </header>
  );
}

function Warnings() {
  const since = silentSince.value;
  const isSilent = since !== undefined;
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    if (!isSilent) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, [isSilent]);
  return (
    <>
      {since !== undefined && (
        <div class="warning">
          <strong role="alert">{strings.unreachableTitle}.</strong>{" "}
          {strings.unreachableText(Math.max(0, Math.round((now - since) / 1000)))}
        </div>
      )}
      {wasRestarted.value && (
        <div class="warning" role="alert">
          <strong>{strings.restartedTitle}.</strong> {strings.restartedText}{" "}
          <button
            type="button"
            class="link"
            onClick={() => {
              wasRestarted.value = false;
            }}
          >
            {strings.dismiss}
          </button>
        </div>
      )}
    </>
  );
}

function Notice() {
  const { text, isProblem } = notice.value ?? { text: "", isProblem: false };
  return (
    <div class={`notice ${text === "" ? "gone" : ""} ${isProblem ? "problem" : ""}`} role="status">
      {text}
    </div>
  );
}
