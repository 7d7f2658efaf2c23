// The user's editor on a file, with the terminal of this command.

import { spawn } from "node:child_process";

/** The exit code of the shell for a program that it does not find. */
const NOT_FOUND = 127;

/** A command line, as for git and others: it may have arguments. */
export function editorOf(env: NodeJS.ProcessEnv): string {
  return [env["VISUAL"], env["EDITOR"]].find((editor) => editor !== undefined && editor !== "") ?? "vi";
}

/** Resolves when the editor has ended: with undefined, or with why it failed. */
export async function runEditor(editor: string, path: string): Promise<string | undefined> {
  // Ctrl-C in the editor is for the editor.
  const ignore = () => undefined;
  process.on("SIGINT", ignore).on("SIGQUIT", ignore);
  try {
    return await new Promise((resolve) => {
      const child = spawn("/bin/sh", ["-c", `${editor} "$1"`, "sh", path], { stdio: "inherit" });
      child.on("error", (error) => resolve(`the editor cannot be started: ${error.message}`));
      child.on("exit", (code, signal) => resolve(failureOf(editor, code, signal)));
    });
  } finally {
    process.removeListener("SIGINT", ignore).removeListener("SIGQUIT", ignore);
  }
}

function failureOf(editor: string, code: number | null, signal: string | null): string | undefined {
  if (code === 0) return undefined;
  if (code === NOT_FOUND)
    return `the editor "${editor}" is not installed; set VISUAL or EDITOR to another one`;
  return `the editor "${editor}" failed (${signal ?? `exit status ${code}`})`;
}
