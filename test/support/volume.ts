// How much the tests with many repetitions do. `npm test` repeats often enough to find what breaks now and
// then; CI repeats more (HOLDFAST_TEST_VOLUME=full), which takes minutes.

const name = "HOLDFAST_TEST_VOLUME";
const value = process.env[name] ?? "usual";
if (value !== "usual" && value !== "full") throw new Error(`${name} is "${value}"; set "usual" or "full"`);

export function volume(usual: number, full: number): number {
  return value === "full" ? full : usual;
}
