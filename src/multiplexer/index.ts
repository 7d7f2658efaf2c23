export { type Chunk, chunkEnd, type Offset, type OutputStream } from "./chunk.ts";
export { Multiplexer, type MultiplexerOptions, type Read, type Subscriber } from "./multiplexer.ts";
export { KEEP_BY_REFERENCE_BYTES } from "./output-window.ts";
