// Checks a server before it is measured: it delivers a command's output byte for byte, and the
// cheap counting of the figures agrees with a full decode.

const lastNumber = 200_000;

/** @param {import("./open.mjs").ProcessClient} client */
export async function checkOutput(client) {
  const expected = Buffer.from(Array.from({ length: lastNumber }, (_, i) => `${i + 1}\n`).join(""));
  const { counted, output } = await client.read(["seq", "1", String(lastNumber)]);
  if (!output.equals(expected)) {
    throw new Error(
      `\`seq 1 ${lastNumber}\` delivered ${output.length} bytes that are not its ${expected.length}`,
    );
  }
  if (counted !== output.length)
    throw new Error(`counted ${counted} bytes where a full decode finds ${output.length}`);
}
