// Whether only this machine reaches an address.
import { lookup } from "node:dns/promises";
import { BlockList, isIPv6 } from "node:net";

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

/** False when in doubt: a name without an address, or with one that is not loopback. */
export async function isLoopback(host: string): Promise<boolean> {
  try {
    const addresses = await lookup(host, { all: true });
    return addresses.every(({ address }) => loopback.check(address, isIPv6(address) ? "ipv6" : "ipv4"));
  } catch {
    // ENOTFOUND and the like.
    return false;
  }
}
