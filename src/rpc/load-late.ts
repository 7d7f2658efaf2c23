// Loads a value at the first call that needs it.

/** Calls `load` at the first call, and again after a failure: it can fail for lack of descriptors. */
export function loadLate<T>(load: () => Promise<T>): () => Promise<T> {
  let loading: Promise<T> | undefined;
  return () => {
    loading ??= load().catch((error: unknown) => {
      loading = undefined;
      throw error;
    });
    return loading;
  };
}
