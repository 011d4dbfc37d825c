import { loadCorpus } from "./corpus.ts";
import { startEdgeUnderTest, type EdgeUnderTest } from "./edge-under-test.ts";
import { mutate } from "./mutate.ts";
import { Answers, overTcp, UdpPeer } from "./peer.ts";
import { Random } from "./random.ts";

export interface TortureOptions {
  readonly seed: number;
  readonly count: number;
  /** Messages before memory is measured for the first time: bounded tables have filled by then. */
  readonly warmUp: number;
  /** How long memory may take to settle when everything has been sent, in ms: calls that nobody ends time out. */
  readonly settleMs: number;
  readonly progress?: (line: string) => void;
}

export interface TortureReport {
  readonly sent: number;
  readonly seconds: number;
  readonly answers: Answers;
  readonly heapBefore: number;
  readonly heapAfter: number;
  /** What the server's sockets counted. */
  readonly events: Readonly<Record<string, number>>;
  /** Why the server ended or stopped answering; undefined when it lives. */
  readonly crash: string | undefined;
}

/** Messages between two proofs that the server answers: fewer than its receive buffer holds. */
const BATCH = 100;
/** One address sends so many: a server bans addresses that go on sending rubbish, and this must not be the end of the test. */
const PER_ADDRESS = 60;
const ADDRESSES = 5_000;
/** Addresses that still listen for late answers. */
const OPEN_PEERS = 40;
/** Every so many batches one goes over TCP instead. */
const TCP_EVERY = 10;
const TCP_PER_CONNECTION = 10;
const PROBE_MS = 1_000;
const PROBES = 20;
/** Memory may have grown by this much of itself. */
const GROWTH = 1.1;

/** Sends mutated messages to a running SIP server and watches what becomes of it. */
export async function torture(options: TortureOptions): Promise<TortureReport> {
  const { seed, count, warmUp, settleMs, progress = () => undefined } = options;
  const edge = await startEdgeUnderTest();
  const answers = new Answers();
  const sender = new Sender(edge, answers, new Random(seed));
  const startedAt = performance.now();
  let [heapBefore, heapAfter] = [0, 0];
  let events: TortureReport["events"] = {};
  let crash: string | undefined;
  try {
    for (let batch = 0; sender.sent < count; batch++) {
      if (heapBefore === 0 && sender.sent >= warmUp) heapBefore = await settled(edge, 0, settleMs);
      await sender.batch(Math.min(BATCH, count - sender.sent), batch % TCP_EVERY === TCP_EVERY - 1);
      if (sender.sent % 20_000 === 0) progress(`${sender.sent} sent, ${answers.count} answers, ${answers.faults.length} ill-formed`); // prettier-ignore
    }
    heapAfter = await settled(edge, heapBefore * GROWTH, settleMs);
    ({ events } = await edge.look());
  } catch (error) {
    crash = `${String(error)}; ${edge.ended() ?? "runs"}\n${edge.complaints()}`;
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  sender.close();
  await edge.stop();
  return { sent: sender.sent, seconds, answers, heapBefore, heapAfter, events, crash };
}

/** The heap once it is no longer falling, or below `wanted`. */
async function settled(edge: EdgeUnderTest, wanted: number, limitMs: number): Promise<number> {
  const deadline = performance.now() + limitMs;
  let least = Infinity;
  while (performance.now() < deadline) {
    least = Math.min(least, (await edge.look()).heap);
    if (least <= wanted) return least;
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
  return least;
}

class Sender {
  sent = 0;
  private readonly edge: EdgeUnderTest;
  private readonly answers: Answers;
  private readonly random: Random;
  private readonly corpus = loadCorpus();
  private readonly peers: UdpPeer[] = [];
  private used = PER_ADDRESS;
  private addresses = 0;
  private probes = 0;

  constructor(edge: EdgeUnderTest, answers: Answers, random: Random) {
    this.edge = edge;
    this.answers = answers;
    this.random = random;
  }

  async batch(size: number, tcp: boolean): Promise<void> {
    const messages = Array.from({ length: size }, (_, i) => this.message(this.sent + i));
    if (tcp) {
      const connections: Promise<void>[] = [];
      for (let first = 0; first < size; first += TCP_PER_CONNECTION)
        connections.push(overTcp(this.nextAddress(), this.edge.port, messages.slice(first, first + TCP_PER_CONNECTION), this.answers)); // prettier-ignore
      await Promise.all(connections);
    } else for (const message of messages) (await this.peer()).send(message);
    this.sent += size;
    await this.probe();
  }

  close(): void {
    for (const peer of this.peers.splice(0)) peer.close();
  }

  /** A mutated message of a transaction of its own, now and then of one that was there before. */
  private message(n: number): string {
    const { dialogs } = this.answers;
    const dialog = dialogs.length === 0 ? "none" : this.random.pick(dialogs);
    const branch = `z9hG4bKt${this.random.chance(0.1) ? n - 1 - this.random.below(50) : n}`;
    return mutate(this.corpus, this.random)
      .replaceAll("{dialog}", dialog)
      .replace(/;rport(?=[;,\r])/, "")
      .replace(/z9hG4bK[0-9a-zA-Z.]*/, this.random.chance(0.95) ? `${branch};rport` : branch);
  }

  private nextAddress(): string {
    const n = 256 + (this.addresses++ % ADDRESSES);
    return `127.1.${n >> 8}.${n & 255 || 1}`;
  }

  private async peer(): Promise<UdpPeer> {
    if (this.used++ >= PER_ADDRESS) {
      this.used = 1;
      this.peers.push(await UdpPeer.open(this.nextAddress(), this.edge.port, this.answers));
      if (this.peers.length > OPEN_PEERS) this.peers.shift()?.close();
    }
    const peer = this.peers.at(-1);
    if (!peer) throw new Error("no peer");
    return peer;
  }

  /** Waits until the server has read what it was sent: it answers a plain OPTIONS from an address of good standing. */
  private async probe(): Promise<void> {
    const id = `probe-${++this.probes}`;
    const answered = new Answers();
    const peer = await UdpPeer.open("127.0.0.1", this.edge.port, answered);
    try {
      for (let attempt = 0; attempt < PROBES; attempt++) {
        peer.send(`OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK${id}${attempt};rport\r\nMax-Forwards: 70\r\nFrom: <sip:probe@127.0.0.1>;tag=1\r\nTo: <sip:127.0.0.1>\r\nCall-ID: ${id}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n`); // prettier-ignore
        const deadline = performance.now() + PROBE_MS;
        while (performance.now() < deadline) {
          if (answered.count > 0) return;
          if (this.edge.ended() !== undefined) throw new Error("the server has ended");
          await new Promise((resolve) => setImmediate(resolve));
        }
      }
      throw new Error(`no answer to OPTIONS in ${(PROBES * PROBE_MS) / 1_000} s`);
    } finally {
      peer.close();
    }
  }
}
