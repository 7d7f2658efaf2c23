// The files of the sandbox: browse, upload by drop, download, view and edit text.

import { useEffect, useRef, useState } from "preact/hooks";
import type { FileEntry } from "../../src/client/page-client.ts";
import { client, go, say, sayError } from "../session/state.ts";
import { strings } from "../strings.ts";
import { Dialog } from "../ui/dialog.tsx";
import { formatBytes, plainLine } from "../ui/format.ts";
import { Editor, MAX_TEXT_BYTES } from "./editor.tsx";
import { joinPath, parentOf, sortEntries } from "./paths.ts";
import { beginDownload, beginUploads, TransferList } from "./transfers.tsx";

export function FilesPage({ path }: { readonly path: string }) {
  const [entries, setEntries] = useState<readonly FileEntry[]>();
  const [folder, setFolder] = useState(path === "" ? "~" : path);
  const [editing, setEditing] = useState<FileEntry>();
  const [removing, setRemoving] = useState<FileEntry>();
  const [isNaming, setNaming] = useState(false);
  const [isOver, setOver] = useState(false);
  const input = useRef<HTMLInputElement>(null);

  const load = async () => {
    try {
      const here = await client.value?.files.stat(path === "" ? "~" : path);
      if (here === undefined) return;
      setFolder(here.path);
      setEntries(sortEntries((await client.value?.files.list(here.path)) ?? []));
    } catch (error) {
      setEntries([]);
      sayError(error);
    }
  };
  useEffect(() => {
    document.title = `${strings.files} · ${path === "" ? "~" : plainLine(path)}`;
    setEntries(undefined);
    void load();
  }, [path]);

  const visit = (to: string) => go({ page: "files", path: to });
  const open = (entry: FileEntry) => {
    if (entry.kind === "directory") visit(entry.path);
    else if (entry.size > MAX_TEXT_BYTES) say(strings.tooLargeToEdit(formatBytes(MAX_TEXT_BYTES)));
    else setEditing(entry);
  };
  const upload = (files: FileList | undefined | null) =>
    void beginUploads([...(files ?? [])], folder).then(load, sayError);
  return (
    <div
      class={isOver ? "files is-over" : "files"}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        upload(event.dataTransfer?.files);
      }}
    >
      <h1 class="unseen">{strings.files}</h1>
      <div class="tools">
        <button
          type="button"
          aria-label={strings.parentFolder}
          title={strings.parentFolder}
          onClick={() => visit(parentOf(folder))}
        >
          ↑
        </button>
        <form
          class="path"
          onSubmit={(event) => {
            event.preventDefault();
            visit(input.current?.value ?? "");
          }}
        >
          <input
            key={folder}
            ref={input}
            class="mono"
            aria-label={strings.path}
            defaultValue={folder}
            spellcheck={false}
          />
        </form>
        <button type="button" onClick={() => setNaming(true)}>
          {strings.newFolder}
        </button>
        <label class="button primary">
          {strings.upload}
          <input
            type="file"
            multiple
            class="unseen"
            onChange={({ currentTarget }) => upload(currentTarget.files)}
          />
        </label>
      </div>
      <TransferList />
      <div class="table-box">
        <table class="entries">
          <thead>
            <tr>
              <th>{strings.name}</th>
              <th class="number">{strings.size}</th>
              <th class="col-modified">{strings.modified}</th>
              <th class="col-owner">{strings.owner}</th>
              <th class="col-mode">{strings.mode}</th>
              <th>
                <span class="unseen">{strings.columns.actions}</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {entries?.map((entry) => (
              <tr key={entry.path}>
                <td class="name">
                  <button type="button" class={`open ${entry.kind}`} onClick={() => open(entry)}>
                    {plainLine(entry.name)}
                    {entry.kind === "directory" && "/"}
                  </button>
                  {entry.linkTarget !== undefined && (
                    <span class="quiet"> → {plainLine(entry.linkTarget)}</span>
                  )}
                </td>
                <td class="number">{entry.kind === "file" ? formatBytes(entry.size) : ""}</td>
                <td class="col-modified">{entry.modifiedAt?.toLocaleString() ?? ""}</td>
                <td class="col-owner">{plainLine(entry.owner)}</td>
                <td class="col-mode mono">{entry.permissions}</td>
                <td class="actions">
                  <button
                    type="button"
                    class="link"
                    onClick={() => void beginDownload(entry).catch(sayError)}
                  >
                    {strings.download}
                    <span class="unseen"> {plainLine(entry.name)}</span>
                  </button>
                  <button type="button" class="link quiet" onClick={() => setRemoving(entry)}>
                    {strings.remove}
                    <span class="unseen"> {plainLine(entry.name)}</span>
                  </button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
        {entries?.length === 0 && <p class="empty quiet">{strings.emptyFolder}</p>}
        <p class="drop quiet">{strings.dropHere}</p>
      </div>
      {editing !== undefined && (
        <Editor
          entry={editing}
          onClose={() => {
            setEditing(undefined);
            void load();
          }}
        />
      )}
      {removing !== undefined && (
        <Dialog title={strings.remove} onClose={() => setRemoving(undefined)}>
          <p>{strings.confirmRemove(plainLine(removing.path))}</p>
          <div class="buttons">
            <button type="button" onClick={() => setRemoving(undefined)}>
              {strings.cancel}
            </button>
            <button
              type="button"
              class="danger"
              onClick={() => {
                void client.value?.files.remove(removing.path).then(load, sayError);
                setRemoving(undefined);
              }}
            >
              {strings.remove}
            </button>
          </div>
        </Dialog>
      )}
      {isNaming && (
        <NewFolder
          onClose={() => setNaming(false)}
          onName={(name) => void client.value?.files.makeDir(joinPath(folder, name)).then(load, sayError)}
        />
      )}
    </div>
  );
}

function NewFolder({
  onName,
  onClose,
}: {
  readonly onName: (name: string) => void;
  readonly onClose: () => void;
}) {
  const [name, setName] = useState("");
  return (
    <Dialog title={strings.newFolder} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (name !== "") onName(name);
          onClose();
        }}
      >
        <label class="field">
          <span>{strings.newFolderName}</span>
          <input value={name} onInput={({ currentTarget }) => setName(currentTarget.value)} />
        </label>
        <div class="buttons">
          <button type="button" onClick={onClose}>
            {strings.cancel}
          </button>
          <button type="submit" class="primary">
            {strings.create}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
