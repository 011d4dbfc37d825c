import { freeUdpRange } from "#test/setup/free-ports.ts";

/** A radio's address and the bridge's, on free ports. */
export async function freeRadioChannel() {
  const port = await freeUdpRange(2);
  return { id: "engine-5", listen: `127.0.0.1:${port}`, remote: `127.0.0.1:${port + 1}` };
}

/** A provisioning file for whole-system tests: one half-duplex group with a radio, one full-duplex group. */
export const testProvision = (radio: { listen: string; remote: string }, more = ""): string => `
domain: test.crossband
agencies: [{ id: county-fire, name: County Fire }]
users:
  - { id: alice, agency: county-fire, name: Alice Rivera, password: alice-secret, priority: 5 }
  - { id: bob, agency: county-fire, name: Bob Okafor, password: bob-secret, priority: 5 }
  - { id: chief, agency: county-fire, name: Chief Lund, password: chief-secret, priority: 8 }
  - { id: carol, agency: county-fire, name: Carol Jansen, password: carol-secret, priority: 5 }
talkGroups:
  - { id: fire-1, agency: county-fire, name: Fire Dispatch 1, mode: half-duplex, hangMs: 200 }
  - { id: command, agency: county-fire, name: Fire Command, mode: full-duplex }
  - { id: voice, agency: county-fire, name: Voice Operated, mode: half-duplex, phonePtt: vox, hangMs: 400 }
radioChannels:
  - { id: engine-5, agency: county-fire, name: Engine 5, talkGroup: fire-1, protocol: usrp, listen: ${radio.listen}, remote: ${radio.remote} }
${more}`;

export const passwordOf = (user: string): string => `${user}-secret`;
