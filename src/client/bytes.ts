// The check of bytes that a caller gives. Anything else would be sent as nothing, or as other bytes.

/** Not by instanceof: test runners have arrays of another realm. */
export function isBytes(value: unknown): value is Uint8Array {
  return typeName(value) === "Uint8Array";
}

/** "Uint8Array", "ArrayBuffer", "String", "Undefined". */
export function typeName(value: unknown): string {
  return Object.prototype.toString.call(value).slice("[object ".length, -1);
}
