import type { DialogView, SipCommand, Step } from "#signaling/sip-port/sip-port.ts";

/** A step that is committed by `commit`, for tests of what call control does in one. */
export interface FakeStep extends Step {
  readonly commands: SipCommand[];
  readonly details: Readonly<Record<string, string | number>>[];
  readonly timers: Map<string, number | undefined>;
  /** The record as it stands in the step. */
  readonly record: unknown;
  /** Runs the effects that go before the commit, and those that wait for it. */
  commit(): void;
}

/**
 * @param record what the call's record holds; plain JSON, as in Redis
 * @param dialogs what the SIP server knows of the call's legs
 */
export function fakeStep(
  callId = "00aaaaaaaaaaaaaaaaaaaaaa",
  record?: unknown,
  dialogs: Readonly<Record<string, DialogView>> = {},
): FakeStep {
  let text = record === undefined ? undefined : JSON.stringify(record);
  const effects: (() => void)[] = [];
  const commands: SipCommand[] = [];
  const details: Readonly<Record<string, string | number>>[] = [];
  const timers = new Map<string, number | undefined>();
  const read = (): unknown => (text === undefined ? undefined : JSON.parse(text));
  return {
    callId, commands, details, timers,
    get record() { return read(); },
    load: <State>() => Promise.resolve(read() as State | undefined),
    save(state) { text = state === undefined ? undefined : JSON.stringify(state); },
    command(command) { commands.push(command); },
    dialog: (leg) => dialogs[leg],
    cdr(detail) { details.push(detail); },
    timer(name, atMs) { timers.set(name, atMs); },
    ahead(effect) { effects.push(() => void effect()); },
    after(effect) { effects.push(effect); },
    commit() { for (const effect of effects.splice(0)) effect(); },
  }; // prettier-ignore
}
