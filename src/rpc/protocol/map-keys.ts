// How Protobuf-ES stores the entries of maps in this program. It assigns them to an object, where JavaScript ignores a text
// for the name `__proto__`: such a variable of a Start, or metadata of a file, was lost without an error.

let isKept = false;

/** Call it before the first message is decoded. Lets texts be stored under `__proto__`; objects are still prototypes. */
export function keepProtoKeys(): void {
  const inherited = Object.getOwnPropertyDescriptor(Object.prototype, "__proto__");
  // Without the accessor (node --disable-proto), the name is like any other.
  if (isKept || inherited?.set === undefined) return;
  isKept = true;
  const setPrototype = inherited.set;
  Object.defineProperty(Object.prototype, "__proto__", {
    ...inherited,
    set(this: unknown, value: unknown) {
      if (typeof value === "string" && typeof this === "object" && this !== null)
        Object.defineProperty(this, "__proto__", {
          ...{ value, writable: true, enumerable: true, configurable: true },
        });
      else Reflect.apply(setPrototype, this, [value]);
    },
  });
}
