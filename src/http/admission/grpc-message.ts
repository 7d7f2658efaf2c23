// grpc-message, percent-encoded no further than gRPC asks: only what a header may not hold. More would be right, too, but
// @grpc/grpc-js does not undo the rest: its users would read `cwd %22%2Ftmp%22`.

export function encodeGrpcMessage(message: string): string {
  return message.replace(/[^\x20-\x24\x26-\x7e]/gu, encodeURIComponent);
}
