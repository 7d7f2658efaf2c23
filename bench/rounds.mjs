// Interleaving: A B C A B C …, so that a machine that slows down or speeds up does so for every server alike.

/** Rounds before the first counted one, for JIT, heap and socket buffers: some servers still got faster in the third. */
const warmUpRounds = (/** @type {number} */ rounds) => Math.ceil(rounds / 4);

/**
 * Measures every subject once a round, one at a time.
 * @template {{ name: string }} Subject
 * @template Sample
 * @param {Subject[]} subjects
 * @param {number} rounds
 * @param {(subject: Subject) => Promise<Sample>} measureOnce
 * @returns {Promise<Record<string, Sample[]>>} per subject's name, its samples in the order of the rounds
 */
export async function interleave(subjects, rounds, measureOnce) {
  /** @type {Record<string, Sample[]>} */
  const samples = Object.fromEntries(subjects.map(({ name }) => [name, []]));
  for (let round = -warmUpRounds(rounds); round < rounds; round++) {
    for (const subject of subjects) {
      const sample = await measureOnce(subject).catch((error) => {
        throw new Error(`${subject.name}, round ${round + 1} of ${rounds}: ${error.message}`, {
          cause: error,
        });
      });
      if (round >= 0) samples[subject.name]?.push(sample);
    }
  }
  return samples;
}
