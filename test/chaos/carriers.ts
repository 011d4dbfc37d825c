import { createPhone, type Phone } from "#test/peers/sip-phone/phone.ts";
import type { Station } from "./line.ts";
import { accountOf, numberOf } from "./provision.ts";
import type { Sprayer } from "./sprayer.ts";

const CARRIER_HOST = "127.0.1.2";

/** Phones behind the trunks, one for each slot, and where the instances find them. */
export interface Carriers {
  readonly stations: readonly Station[];
  readonly peers: readonly string[];
}

/** Opens them. They register nowhere: the trunk says where they are. */
export async function openCarriers(count: number, sprayer: Sprayer): Promise<Carriers> {
  const server = `127.0.0.1:${sprayer.port}`;
  const open = (slot: number): Promise<Phone> =>
    createPhone({ server, ...accountOf(numberOf(slot)), host: CARRIER_HOST });
  const phones = await Promise.all(Array.from({ length: count }, (_, slot) => open(slot)));
  const peers = phones.map(({ endpoint: { transport } }) =>
    sprayer.addressOf(transport.host, transport.port),
  );
  return {
    stations: phones.map((phone): Station => ({ phone, transport: "udp" })),
    peers: await Promise.all(peers),
  };
}
