// The program of a file thread as one text. The bundler and the tests replace this file with the
// bundle of thread-main.ts (scripts/thread-source.mjs): the agent may be a single executable, so
// there is no file that a thread could load.

export const THREAD_SOURCE: string = "throw new Error('bundle the agent: scripts/bundle.mjs')";

/** The file from which the thread finds koffi. */
export const RESOLVE_FROM: string = import.meta.url;
