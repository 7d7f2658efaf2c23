// Reads HTTP/1.1 responses from a keep-alive connection as its bytes arrive, at any split: status,
// headers, chunked or sized body. Passes body bytes on in place (buffer, start, end), without
// copying or allocating per chunk.

/** @typedef {(bytes: Buffer, start: number, end: number) => void} OnBody */

/**
 * One response; make another reader for the next one.
 * @param {OnBody} onBody
 * @param {(status: number) => void} onDone  called once, with the last byte of the response
 */
export function createResponseReader(onBody, onDone) {
  /** @type {"status" | "header" | "size" | "chunk" | "chunk-end" | "trailer" | "sized" | "done"} */
  let state = "status";
  let status = 0;
  let chunked = false;
  let left = 0; // of the chunk or the sized body
  let partialLine = "";
  return { read };

  /** @param {Buffer} bytes */
  function read(bytes) {
    let at = 0;
    while (at < bytes.length) {
      if (state === "chunk" || state === "sized") {
        const end = Math.min(bytes.length, at + left);
        onBody(bytes, at, end);
        left -= end - at;
        at = end;
        if (left === 0) finishBodyPart();
        continue;
      }
      const newline = bytes.indexOf(0x0a, at);
      const lineEnd = newline === -1 ? bytes.length : newline;
      partialLine += bytes.toString("latin1", at, lineEnd);
      at = lineEnd + 1;
      if (newline === -1) return;
      const line = partialLine.endsWith("\r") ? partialLine.slice(0, -1) : partialLine;
      partialLine = "";
      readLine(line);
    }
  }

  function finishBodyPart() {
    if (state === "chunk") state = "chunk-end";
    else finish();
  }

  function finish() {
    state = "done";
    onDone(status);
  }

  /** @param {string} line */
  function readLine(line) {
    switch (state) {
      case "status":
        status = Number(/^HTTP\/1\.1 (\d{3})/.exec(line)?.[1]);
        if (Number.isNaN(status)) throw new Error(`not an HTTP/1.1 response: ${line.slice(0, 80)}`);
        state = "header";
        return;
      case "header":
        if (line === "") startBody();
        else readHeader(line);
        return;
      case "size":
        left = Number.parseInt(line, 16);
        if (Number.isNaN(left)) throw new Error(`not a chunk size: ${line.slice(0, 80)}`);
        state = left === 0 ? "trailer" : "chunk";
        return;
      case "chunk-end":
        if (line !== "") throw new Error(`chunk runs past its size: ${line.slice(0, 80)}`);
        state = "size";
        return;
      case "trailer":
        if (line === "") finish();
        return;
      default:
        throw new Error(`bytes after the response: ${line.slice(0, 80)}`);
    }
  }

  /** @param {string} line */
  function readHeader(line) {
    const [name, value = ""] = line.toLowerCase().split(/:\s*/, 2);
    if (name === "transfer-encoding") chunked = value === "chunked";
    if (name === "content-length") left = Number(value);
  }

  function startBody() {
    if (chunked) state = "size";
    else if (left > 0) state = "sized";
    else finish();
  }
}
