/** The actions whose text contains all words of `query`; those where it begins a word come first. */
export function matchActions<Action extends { readonly text: string }>(
  actions: readonly Action[],
  query: string,
): Action[] {
  const words = query
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "");
  const rank = ({ text }: Action) => {
    const lower = text.toLowerCase();
    if (!words.every((word) => lower.includes(word))) return undefined;
    return words.filter((word) => ` ${lower}`.includes(` ${word}`)).length;
  };
  return actions
    .map((action, index) => ({ action, index, rank: rank(action) }))
    .filter(({ rank: value }) => value !== undefined)
    .sort((a, b) => (b.rank ?? 0) - (a.rank ?? 0) || a.index - b.index)
    .map(({ action }) => action);
}
