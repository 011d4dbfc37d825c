import type { Producer } from "mediasoup/types";
import { systemClock, type Clock } from "#common/clock.ts";
import type { Participant } from "#common/media-control.ts";
import { noSlots, step, type Event, type State } from "./slots.machine.ts";

/** One browser as the room's video sees it. */
export interface Viewer {
  readonly id: string;
  readonly participant: Participant;
  /** Its camera, while it is on. */
  readonly cameraProducer: Producer | undefined;
  /** Mids of the slots in which it takes video now. */
  readonly openSlots: readonly string[];
  show(mid: string, camera: Producer, onLost: () => void): Promise<void>;
  clear(mid: string): void;
  /** Says who is in its slots now. */
  announce(slots: readonly { readonly mid: string; readonly from?: Participant }[]): void;
}

interface Seat {
  state: State;
  cancelTimer: (() => void) | undefined;
  announced: string;
}

/** Shows the browsers of one group each other's cameras; whoever talked last comes first when slots are few. */
export class VideoRoom {
  /** In the order of their last speech, the latest first; who never spoke stays in the order of joining behind them. */
  #order: Viewer[] = [];
  readonly #seats = new Map<Viewer, Seat>();
  readonly #clock: Clock;

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#seats.size;
  }

  join(viewer: Viewer): void {
    this.#order.push(viewer);
    this.#seats.set(viewer, { state: noSlots, cancelTimer: undefined, announced: "[]" });
  }

  leave(viewer: Viewer): void {
    this.#seats.get(viewer)?.cancelTimer?.();
    this.#seats.delete(viewer);
    this.#order = this.#order.filter((other) => other !== viewer);
    this.refresh();
  }

  talks(viewer: Viewer): void {
    if (!this.#seats.has(viewer) || this.#order[0] === viewer) return;
    this.#order = [viewer, ...this.#order.filter((other) => other !== viewer)];
    this.refresh();
  }

  /** Looks again at every camera and every open slot. */
  refresh(): void {
    const nowMs = this.#clock.now();
    const cameras = this.#order
      .filter(({ cameraProducer }) => cameraProducer !== undefined)
      .map(({ id }) => id);
    for (const viewer of this.#seats.keys()) {
      this.#step(viewer, { type: "wish", cameras: cameras.filter((id) => id !== viewer.id), nowMs });
      this.#step(viewer, { type: "lines", mids: viewer.openSlots, nowMs });
      this.#announce(viewer);
    }
  }

  #step(viewer: Viewer, event: Event): void {
    const seat = this.#seats.get(viewer);
    if (seat === undefined) return;
    const { state, effects } = step(seat.state, event);
    seat.state = state;
    for (const effect of effects) {
      if (effect.do === "clear") viewer.clear(effect.mid);
      else if (effect.do === "show") this.#show(viewer, effect.mid, effect.camera);
      else this.#wait(viewer, seat, effect.ms);
    }
  }

  #show(viewer: Viewer, mid: string, camera: string): void {
    const lost = (): void => {
      const shown = this.#seats.get(viewer)?.state.slots.find((slot) => slot.mid === mid)?.camera;
      if (shown !== camera) return;
      viewer.clear(mid);
      this.#step(viewer, { type: "lost", mid, nowMs: this.#clock.now() });
      this.#announce(viewer);
    };
    const producer = this.#order.find(({ id }) => id === camera)?.cameraProducer;
    if (producer === undefined) lost();
    else viewer.show(mid, producer, lost).catch(lost);
  }

  #wait(viewer: Viewer, seat: Seat, ms: number): void {
    seat.cancelTimer?.();
    seat.cancelTimer = this.#clock.after(ms, () => {
      this.#step(viewer, { type: "timer", nowMs: this.#clock.now() });
      this.#announce(viewer);
    });
  }

  #announce(viewer: Viewer): void {
    const seat = this.#seats.get(viewer);
    if (seat === undefined) return;
    const slots = seat.state.slots.map(({ mid, camera }) => {
      const from = this.#order.find(({ id }) => id === camera)?.participant;
      return { mid, ...(from !== undefined && { from }) };
    });
    const text = JSON.stringify(slots);
    if (text === seat.announced) return;
    seat.announced = text;
    viewer.announce(slots);
  }
}
