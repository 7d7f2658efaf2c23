// Headers without the rest of fetch. The first use of Node's own `Headers` loads the whole of undici, which takes a command
// 15 ms and 4 MB; the client uses nothing else of it.

type Init = ConstructorParameters<typeof Headers>[0];

/** As the standard's class, except that node:http checks names and values when they are sent. */
class LightHeaders {
  readonly #values = new Map<string, string[]>();

  constructor(init?: Init) {
    if (init === undefined || init === null) return;
    const entries = Symbol.iterator in init ? (init as Iterable<readonly string[]>) : Object.entries(init);
    for (const [name = "", value = ""] of entries) this.append(name, String(value));
  }

  append(name: string, value: string): void {
    const key = name.toLowerCase();
    const text = String(value).trim();
    const values = this.#values.get(key);
    if (values === undefined) this.#values.set(key, [text]);
    else values.push(text);
  }

  set(name: string, value: string): void {
    this.#values.set(name.toLowerCase(), [String(value).trim()]);
  }

  delete(name: string): void {
    this.#values.delete(name.toLowerCase());
  }

  has(name: string): boolean {
    return this.#values.has(name.toLowerCase());
  }

  get(name: string): string | null {
    return this.#values.get(name.toLowerCase())?.join(", ") ?? null;
  }

  getSetCookie(): string[] {
    return [...(this.#values.get("set-cookie") ?? [])];
  }

  forEach(act: (value: string, name: string, headers: LightHeaders) => void): void {
    for (const [name, value] of this) act(value, name, this);
  }

  *entries(): IterableIterator<[string, string]> {
    for (const name of [...this.#values.keys()].sort())
      if (name === "set-cookie") for (const value of this.getSetCookie()) yield [name, value];
      else yield [name, this.get(name) ?? ""];
  }

  *keys(): IterableIterator<string> {
    for (const [name] of this) yield name;
  }

  *values(): IterableIterator<string> {
    for (const [, value] of this) yield value;
  }

  [Symbol.iterator](): IterableIterator<[string, string]> {
    return this.entries();
  }
}

/** Call it before the client is used. Nothing else in a command of the client uses fetch. */
export function useLightHeaders(): void {
  Object.defineProperty(globalThis, "Headers", { value: LightHeaders, writable: true, configurable: true });
}
