import { watch, type Watch } from "#test/peers/sip-phone/watch.ts";
import { GROUP, type Cluster } from "./cluster.ts";
import { delay } from "./delay.ts";
import { Line } from "./line.ts";
import { accountOf, WATCHER } from "./provision.ts";
import type { Transport } from "./transports.ts";

/** What the calls of a run leave must be told so long after the last of them, in ms. */
const SETTLE_MS = 15_000;
const EXPIRES_S = 3_600;

/** What somebody looks at while calls go on, and how it says that nothing is left. */
interface View {
  readonly name: string;
  readonly watch: Watch;
  readonly isEmpty: (body: string) => boolean;
}

/** Subscribes to what the calls of a run are to others: who is in the group, and the lamp of one who is called (RFC 6665). */
export class Watcher {
  private readonly line: Line;
  private readonly views: readonly View[];

  private constructor(line: Line, views: readonly View[]) {
    this.line = line;
    this.views = views;
  }

  /** @param callee whose lamp is watched */
  static async open(cluster: Cluster, transport: Transport, callee: string): Promise<Watcher> {
    const line = await Line.open({ cluster, transport, ...accountOf(WATCHER) });
    const view = async (target: string, event: string, isEmpty: View["isEmpty"]): Promise<View> => {
      const made = await watch(line.phone, target, event, { expires: EXPIRES_S });
      if (made.status !== 200) throw new Error(`SUBSCRIBE was answered ${made.status}`);
      return { name: `${event} of ${target}`, watch: made, isEmpty };
    };
    return new Watcher(line, [
      await view(GROUP, "conference", (body) => body.includes("<user-count>0</user-count>")),
      await view(callee, "dialog", (body) => !body.includes("<dialog ")),
    ]);
  }

  /**
   * Ends the subscriptions once all calls are over; tells what was not as it must be.
   *
   * @param isLong calls went on for so long that some must have been told; a short one may be over before its turn
   */
  async finish(isLong: boolean): Promise<string[]> {
    await this.line.ready();
    return (await Promise.all(this.views.map((view) => this.verdictOn(view, isLong)))).flat();
  }

  close(): void {
    this.line.close();
  }

  private async verdictOn({ name, watch: subscription, isEmpty }: View, isLong: boolean): Promise<string[]> {
    const problems: string[] = [];
    const { notices } = subscription;
    if (isLong && notices.every(({ body }) => isEmpty(body))) problems.push(`${name}: no call was ever told`);
    if (!(await happens(() => isEmpty(subscription.body)))) problems.push(`${name}: still shows a call`);
    const numbers = notices.map(({ sequence }) => sequence);
    if (numbers.some((number, i) => i > 0 && number <= (numbers[i - 1] ?? 0)))
      problems.push(`${name}: told out of order, ${numbers.join(" ")}`);
    const ended = await subscription.refresh(0);
    if (ended.status !== 200) problems.push(`${name}: its end was answered ${ended.status}`);
    if (!(await happens(() => notices.at(-1)?.state.startsWith("terminated") === true)))
      problems.push(`${name}: not told that it has ended`);
    return problems;
  }
}

async function happens(what: () => boolean): Promise<boolean> {
  const deadline = Date.now() + SETTLE_MS;
  while (!what() && Date.now() < deadline) await delay(100);
  return what();
}
