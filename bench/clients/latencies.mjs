// Runs one command after the other, and returns the time of each.

/**
 * @param {import("./open.mjs").ProcessClient} client
 * @param {string[]} argv
 * @param {number} count
 * @returns {Promise<number[]>} in ms, from sending the request to the last byte of the response
 */
export async function latenciesMs(client, argv, count) {
  await client.ready();
  /** @type {number[]} */
  const latencies = [];
  for (let i = 0; i < count; i++) {
    const startedMs = performance.now();
    await client.run(argv);
    latencies.push(performance.now() - startedMs);
  }
  return latencies;
}
