// Many at a time, but not all at once: a server has a limit of starts under way.

const BATCH = 25;

/**
 * @template Item
 * @param {Item[]} items @param {(item: Item) => Promise<unknown>} work
 */
export async function inBatches(items, work) {
  for (let at = 0; at < items.length; at += BATCH) await Promise.all(items.slice(at, at + BATCH).map(work));
}
