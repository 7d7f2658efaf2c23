// One try at a Start or Connect stream: its events.

import type { ProcessEvent } from "../../gen/process_pb.ts";
import { MessageStream, type OpenMessages } from "./message-stream.ts";

/** The common shape of StartResponse and ConnectResponse. */
interface Message {
  readonly event?: ProcessEvent | undefined;
}

/** Opens the stream. */
export type OpenStream = OpenMessages<Message>;

export class EventStream extends MessageStream<Message> {
  /**
   * The next event; undefined at the end of the stream. Rejects with the connection's error, and so
   * does every later call.
   */
  async nextEvent(): Promise<ProcessEvent["event"] | undefined> {
    const message = await this.next();
    return message && (message.event?.event ?? { case: undefined });
  }
}
