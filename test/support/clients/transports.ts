// Every way a Connect-ES client can speak to the agent: protocol, HTTP version, codec and
// compression.

import type { Transport } from "@connectrpc/connect";
import {
  compressionBrotli,
  compressionGzip,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  Http2SessionManager,
} from "@connectrpc/connect-node";
import {
  createConnectTransport as createConnectFetchTransport,
  createGrpcWebTransport as createGrpcWebFetchTransport,
} from "@connectrpc/connect-web";

export interface OpenTransport {
  readonly transport: Transport;
  /** Closes its connections, in use or not. */
  close(): void;
}

export interface TransportKind {
  readonly name: string;
  /** fetch cannot stream the body of a request. */
  readonly streamsRequests: boolean;
  open(baseUrl: string): OpenTransport;
}

const gzip = { sendCompression: compressionGzip, acceptCompression: [compressionGzip], compressMinBytes: 1 };
const brotli = {
  sendCompression: compressionBrotli,
  acceptCompression: [compressionBrotli],
  compressMinBytes: 1,
};
const plain = { acceptCompression: [] };

export const transportKinds: readonly TransportKind[] = [
  http1("Connect", createConnectTransport, "binary", { useBinaryFormat: true, ...plain }),
  http1("Connect", createConnectTransport, "JSON", { useBinaryFormat: false, ...plain }),
  http1("Connect", createConnectTransport, "binary, gzip", { useBinaryFormat: true, ...gzip }),
  http1("Connect", createConnectTransport, "JSON, brotli", { useBinaryFormat: false, ...brotli }),
  http2("Connect", createConnectTransport, "binary, brotli", { useBinaryFormat: true, ...brotli }),
  http2("Connect", createConnectTransport, "JSON", { useBinaryFormat: false, ...plain }),
  http2("gRPC", createGrpcTransport, "binary", { useBinaryFormat: true, ...plain }),
  http2("gRPC", createGrpcTransport, "JSON, gzip", { useBinaryFormat: false, ...gzip }),
  http1("gRPC-web", createGrpcWebTransport, "binary", { useBinaryFormat: true, ...plain }),
  http1("gRPC-web", createGrpcWebTransport, "JSON, gzip", { useBinaryFormat: false, ...gzip }),
  http2("gRPC-web", createGrpcWebTransport, "binary, brotli", { useBinaryFormat: true, ...brotli }),
  byFetch("Connect", createConnectFetchTransport, "binary", { useBinaryFormat: true }),
  byFetch("Connect", createConnectFetchTransport, "JSON", { useBinaryFormat: false }),
  byFetch("gRPC-web", createGrpcWebFetchTransport, "binary", { useBinaryFormat: true }),
];

type NodeOptions = typeof plain | typeof gzip | typeof brotli;
type Codec = { readonly useBinaryFormat: boolean };

function http1(
  protocol: string,
  create: (options: NodeOptions & Codec & { baseUrl: string; httpVersion: "1.1" }) => Transport,
  codec: string,
  options: NodeOptions & Codec,
): TransportKind {
  return {
    name: `${protocol} over HTTP/1.1, ${codec}`,
    streamsRequests: true,
    open: (baseUrl) => ({
      transport: create({ ...options, baseUrl, httpVersion: "1.1" }),
      close: () => {
        // Its connections belong to Node's global agent, which closes them when they are idle.
      },
    }),
  };
}

function http2(
  protocol: string,
  create: (
    options: NodeOptions & Codec & { baseUrl: string; httpVersion: "2"; sessionManager: Http2SessionManager },
  ) => Transport,
  codec: string,
  options: NodeOptions & Codec,
): TransportKind {
  return {
    name: `${protocol} over h2c, ${codec}`,
    streamsRequests: true,
    open: (baseUrl) => {
      const sessionManager = new Http2SessionManager(baseUrl);
      return {
        transport: create({ ...options, baseUrl, httpVersion: "2", sessionManager }),
        close: () => sessionManager.abort(),
      };
    },
  };
}

function byFetch(
  protocol: string,
  create: (options: Codec & { baseUrl: string }) => Transport,
  codec: string,
  options: Codec,
): TransportKind {
  return {
    name: `${protocol} by fetch, ${codec}`,
    streamsRequests: false,
    open: (baseUrl) => ({
      transport: create({ ...options, baseUrl }),
      close: () => {
        // fetch manages its own connections.
      },
    }),
  };
}
