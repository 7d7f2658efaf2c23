// Shows and edits a text. It is stored only over the version that was opened.

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { FileChangedError, type FileEntry } from "../../src/client/page-client.ts";
import { client, say, sayError } from "../session/state.ts";
import { strings } from "../strings.ts";
import { Dialog } from "../ui/dialog.tsx";
import { plainLine } from "../ui/format.ts";

export const MAX_TEXT_BYTES = 1_000_000;

export function Editor({ entry, onClose }: { readonly entry: FileEntry; readonly onClose: () => void }) {
  const [text, setText] = useState<string>();
  const [saved, setSaved] = useState("");
  const [isText, setIsText] = useState(true);
  const [asksToDiscard, setAsksToDiscard] = useState(false);
  const isChanged = text !== undefined && text !== saved;
  const leave = () => {
    if (!isChanged || asksToDiscard) onClose();
    else setAsksToDiscard(true);
  };
  const etag = useRef("");
  const area = useRef<HTMLTextAreaElement>(null);
  const isLoaded = text !== undefined;
  useLayoutEffect(() => {
    if (!isLoaded || area.current === null) return;
    // Firefox and Chromium place the cursor after a text that is set.
    area.current.setSelectionRange(0, 0);
    area.current.focus();
    area.current.scrollTop = 0;
  }, [isLoaded]);
  useEffect(() => {
    const load = async () => {
      const download = await client.value?.files.download(entry.path);
      if (download === undefined) return;
      const content = decoded(await download.bytes());
      etag.current = download.etag;
      setIsText(content !== undefined);
      setText(content ?? "");
      setSaved(content ?? "");
    };
    load().catch((error: unknown) => {
      sayError(error);
      onClose();
    });
  }, []);
  const save = async () => {
    try {
      const stored = await client.value?.files.write(entry.path, text ?? "", { ifMatch: etag.current });
      etag.current = stored?.etag ?? "";
      setSaved(text ?? "");
      say(strings.saved);
    } catch (error) {
      if (error instanceof FileChangedError) say(strings.changedMeanwhile, true);
      else sayError(error);
    }
  };
  return (
    <Dialog title={entry.path} onClose={leave}>
      {isText ? (
        <textarea
          ref={area}
          class="mono editor"
          aria-label={plainLine(entry.path)}
          spellcheck={false}
          disabled={!isLoaded}
          value={text ?? ""}
          onInput={({ currentTarget }) => {
            setAsksToDiscard(false);
            setText(currentTarget.value);
          }}
          onKeyDown={(event) => {
            if (event.key !== "s" || !(event.ctrlKey || event.metaKey)) return;
            event.preventDefault();
            void save();
          }}
        />
      ) : (
        <p>{strings.notText}</p>
      )}
      <div class="buttons">
        {isChanged && (
          <span class="note" role="status">
            {asksToDiscard ? strings.discardAsk : strings.unsavedChanges}
          </span>
        )}
        <span class="grow" />
        <button type="button" class={asksToDiscard ? "danger" : ""} onClick={leave}>
          {asksToDiscard ? strings.discard : strings.close}
        </button>
        {isText && (
          <button type="button" class="primary" disabled={!isChanged} onClick={() => void save()}>
            {strings.save}
          </button>
        )}
      </div>
    </Dialog>
  );
}

function decoded(bytes: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    return text.includes("\0") ? undefined : text;
  } catch {
    // Not UTF-8.
    return undefined;
  }
}
