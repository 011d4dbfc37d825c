import type { Recording } from "#test/peers/audio/recording.ts";
import { speechSample, toneSource } from "#test/peers/audio/sources.ts";
import { hearsBusyTone, hearsGrantTone } from "#test/peers/audio/tones.ts";
import type { Call } from "#test/peers/sip-phone/call.ts";
import { ConsolePage } from "#test/peers/console/console-page.ts";
import type { TestBrowser } from "#test/peers/browser/browser.ts";
import { createPhone, type Phone } from "#test/peers/sip-phone/phone.ts";
import { UsrpRadio } from "#test/peers/usrp-radio/usrp-radio.ts";

/** One participant of a talk group, whatever it speaks: what the whole-system tests say to phones, radios and browsers alike. */
export interface Talker {
  readonly kind: "phone" | "radio" | "browser";
  readonly name: string;
  /** What it was played, at 8 kHz. */
  readonly heard: Recording;
  /** Asks for the floor as its user would; what the user is told. A radio is told nothing: its squelch just opens. */
  press(): Promise<"granted" | "refused" | "untold">;
  /** Gives the floor back. */
  release(): Promise<void>;
  /** Speaks into its microphone until `sendSilence`. */
  sendTone(hz: number): Promise<void> | void;
  /** Speaks the tests' speech once. */
  sendSpeech(): Promise<void>;
  sendSilence(): Promise<void> | void;
  close(): Promise<void> | void;
}

const TOLD_WITHIN_MS = 4_000;
const RATE = 8_000;

export interface PhoneTalkerOptions {
  readonly server: string;
  readonly domain: string;
  readonly user: string;
  readonly password: string;
  readonly group: string;
}

/** A phone that has registered and called the group. */
export async function phoneTalker(
  options: PhoneTalkerOptions,
): Promise<Talker & { readonly phone: Phone; readonly call: Call }> {
  const phone = await createPhone(options);
  await phone.register();
  const call = await phone.call(options.group);
  return {
    kind: "phone",
    name: options.user,
    phone,
    call,
    heard: call.heard,
    async press() {
      const fromMs = Date.now();
      await call.digit("*");
      const answer = await call.heard.until(
        (heard) => hearsGrantTone(heard, RATE) || hearsBusyTone(heard, RATE),
        {
          what: "a grant or busy tone",
          fromMs,
          deadlineMs: TOLD_WITHIN_MS,
        },
      );
      return hearsGrantTone(answer, RATE) ? "granted" : "refused";
    },
    release: () => call.digit("#"),
    sendTone: (hz) => void call.sendTone(hz),
    sendSpeech: () => call.sendSpeech(),
    sendSilence: () => {
      call.sendSilence();
    },
    async close() {
      if (!call.over) await call.hangup();
      phone.close();
    },
  };
}

/** A browser with the console open, signed in and in the group. */
export async function browserTalker(
  browser: TestBrowser,
  options: {
    readonly http: string;
    readonly user: string;
    readonly password: string;
    readonly group: string;
  },
): Promise<Talker & { readonly console: ConsolePage }> {
  const console = await ConsolePage.join(browser, options);
  return {
    kind: "browser",
    name: options.user,
    console,
    heard: console.heard,
    press: () => console.press(),
    release: () => console.release(),
    sendTone: (hz) => console.sendTone(hz),
    sendSpeech: () => console.sendSpeech(speechSample()),
    sendSilence: () => console.sendSilence(),
    close: () => console.close(),
  };
}

/** A radio behind a USRP channel. */
export async function radioTalker(channel: {
  id: string;
  listen: string;
  remote: string;
}): Promise<Talker & { readonly radio: UsrpRadio }> {
  const radio = await UsrpRadio.open({ listen: channel.remote, remote: channel.listen });
  return {
    kind: "radio",
    name: channel.id,
    radio,
    heard: radio.heard,
    press() {
      radio.key();
      return Promise.resolve("untold");
    },
    release() {
      radio.unkey();
      return Promise.resolve();
    },
    sendTone: (hz) => {
      radio.key(toneSource(hz));
    },
    sendSpeech: () => radio.sendSpeech(),
    sendSilence: () => {
      radio.key();
    },
    close: () => {
      radio.close();
    },
  };
}
