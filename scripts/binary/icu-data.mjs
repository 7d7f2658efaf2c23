// @ts-check ICU's data, of which Node contains 33 MB: formats, names and sorting of all languages.
// The agent needs none of them. This keeps the data that every program may use, and English:
// properties and normalization of characters, boundaries of characters on a terminal, time zones.
// It is what Node's own build calls small-icu, without the encodings, which only TextDecoder uses.

/** The layout: a header, the number of items, and for each the offsets of its name and its data. */
const ENTRY_BYTES = 8;
const ALIGNMENT = 16;

/**
 * The same data, with fewer items.
 * @param {Buffer} data
 */
export function reduceIcuData(data) {
  const headerBytes = data.readUInt16LE(0);
  if (data.readUInt16BE(2) !== 0xda27 || data.toString("latin1", 12, 16) !== "CmnD")
    throw new Error("this is not ICU's data");
  const kept = itemsOf(data.subarray(headerBytes)).filter(({ name }) => isKept(name));
  return Buffer.concat([data.subarray(0, headerBytes), packed(kept)]);
}

/**
 * @typedef {object} Item
 * @property {string} name  with the name of the whole in front: `icudt78l/coll/de.res`
 * @property {Buffer} bytes
 */

/**
 * @param {Buffer} table
 * @returns {Item[]}
 */
function itemsOf(table) {
  const count = table.readUInt32LE(0);
  const entryAt = (/** @type {number} */ index) => 4 + index * ENTRY_BYTES;
  return Array.from({ length: count }, (_, index) => {
    const name = table.readUInt32LE(entryAt(index));
    const start = table.readUInt32LE(entryAt(index) + 4);
    const end = index + 1 < count ? table.readUInt32LE(entryAt(index + 1) + 4) : table.length;
    return {
      name: table.toString("latin1", name, table.indexOf(0, name)),
      bytes: table.subarray(start, end),
    };
  });
}

/** @param {readonly Item[]} items */
function packed(items) {
  const names = Buffer.from(items.map(({ name }) => `${name}\0`).join(""), "latin1");
  const entries = Buffer.alloc(4 + items.length * ENTRY_BYTES);
  entries.writeUInt32LE(items.length);
  let nameAt = entries.length;
  let dataAt = aligned(entries.length + names.length);
  /** @type {Buffer[]} */
  const parts = [entries, names, Buffer.alloc(dataAt - entries.length - names.length)];
  for (const [index, { name, bytes }] of items.entries()) {
    entries.writeUInt32LE(nameAt, 4 + index * ENTRY_BYTES);
    entries.writeUInt32LE(dataAt, 8 + index * ENTRY_BYTES);
    nameAt += name.length + 1;
    parts.push(bytes, Buffer.alloc(aligned(bytes.length) - bytes.length));
    dataAt += aligned(bytes.length);
  }
  return Buffer.concat(parts);
}

/** @param {number} bytes */
function aligned(bytes) {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

/** A language has two or three letters: `de.res`, `zone/sr_Latn_BA.res`. */
const LANGUAGE = /^(?:[a-z]+\/)?([a-z]{2,3})(?:_\w+)?\.res$/;

/** @param {string} item */
function isKept(item) {
  const name = item.replace(/^[^/]+\//, "");
  if (/\.(cnv|dict|spp)$|^cnvalias|^translit\//.test(name)) return false;
  const [, language] = LANGUAGE.exec(name) ?? [];
  return language === undefined || language === "en";
}
