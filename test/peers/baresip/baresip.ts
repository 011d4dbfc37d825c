import { spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RATE, speechSample } from "../audio/sources.ts";
import { readWav, writeWav, type Wav } from "../audio/wav.ts";
import { freePort, freeSipPort, freeUdpRange } from "#test/setup/free-ports.ts";
import { netstrings, toNetstring } from "./netstring.ts";

export interface BaresipOptions {
  /** `host:port` of the SIP server, used as outbound proxy. */
  readonly server: string;
  readonly domain: string;
  readonly user: string;
  readonly password: string;
  readonly transport?: "udp" | "tcp";
  readonly codec?: "pcmu" | "pcma";
  /** False: it sends no REGISTER. */
  readonly register?: boolean;
  readonly answer?: "auto" | "manual";
  /** What it says again and again in each call, 8 kHz; the tests' speech otherwise. */
  readonly speech?: Int16Array;
  /** Silence each time before it speaks, so that it can take the floor first, in ms. */
  readonly leadMs?: number;
}

export interface BaresipEvent {
  readonly type: string;
  readonly [field: string]: unknown;
}

const START_ATTEMPTS = 3;

/** baresip 1.0 (Debian) without a sound card: speaks a WAV file, records what it hears, obeys over its control socket. */
export class Baresip {
  /** Everything that happened, oldest first. */
  readonly events: BaresipEvent[] = [];
  readonly #child: ChildProcess;
  readonly #dir: string;
  readonly #waiters = new Set<() => void>();
  #control: Socket | undefined;
  #log = "";

  private constructor(child: ChildProcess, dir: string) {
    this.#child = child;
    this.#dir = dir;
    const take = (chunk: Buffer) => {
      this.#log = (this.#log + chunk.toString()).slice(-50_000);
    };
    child.stdout?.on("data", take);
    child.stderr?.on("data", take);
  }

  /** Starts it and waits until it can be told what to do. A port that another took meanwhile costs one more try. */
  static async start(options: BaresipOptions): Promise<Baresip> {
    for (let attempt = 1; ; attempt++) {
      const phone = await Baresip.#spawn(options);
      if (typeof phone !== "string") return phone;
      if (attempt === START_ATTEMPTS) throw new Error(`baresip did not start\n${phone}`);
    }
  }

  /** The started phone, or the log of one that ended at once. */
  static async #spawn(options: BaresipOptions): Promise<Baresip | string> {
    const dir = await mkdtemp(join(tmpdir(), "crossband-baresip-"));
    const control = await freePort();
    await writeConfig(dir, options, control);
    const child = spawn("baresip", ["-f", dir, "-v", "-s"], { stdio: ["ignore", "pipe", "pipe"] });
    const failed = new Promise<never>((_, reject) => {
      child.once("error", (cause) => {
        reject(new Error("baresip cannot be started: install the Debian package baresip-core", { cause }));
      });
    });
    const phone = new Baresip(child, dir);
    if (await Promise.race([phone.#connect(control), failed])) return phone;
    await phone.stop();
    return phone.log();
  }

  /** Resolves once it is registered; throws with its log when it is refused. It may have been before we could listen: the log knows. */
  async registered(deadlineMs = 8_000): Promise<void> {
    const until = Date.now() + deadlineMs;
    while (!/200 OK \(\) \[\d+ binding/.test(this.#log)) {
      const refusal = /reg: sip:\S+: (\d{3} .*|Register: .*)/.exec(this.#log)?.[1];
      if (refusal !== undefined || Date.now() > until)
        throw new Error(
          `baresip: no registration: ${refusal ?? `nothing within ${deadlineMs} ms`}\n${this.log()}`,
        );
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Calls and resolves when the other side has answered. */
  async dial(target: string, deadlineMs = 8_000): Promise<void> {
    const from = this.events.length;
    this.command("dial", target);
    await this.event(
      (type) => type === "CALL_ESTABLISHED",
      `answer from ${target}`,
      deadlineMs,
      (type) => type === "CALL_CLOSED",
      from,
    );
  }

  /** Presses one key for a moment. */
  async press(key: string): Promise<void> {
    this.command("sndcode", key);
    await new Promise((resolve) => setTimeout(resolve, 300));
  }

  /** Ends the call and waits until it is closed. */
  async hangup(): Promise<void> {
    const from = this.events.length;
    this.command("hangup");
    await this.event((type) => type === "CALL_CLOSED", "end of the call", 5_000, undefined, from);
  }

  /** What it heard, pauses without packets left out. Read it after the call, when the file is complete. */
  async recording(): Promise<Wav> {
    const file = (await readdir(this.#dir))
      .filter((name) => name.startsWith("dump-") && name.endsWith("-dec.wav"))
      .sort()
      .at(-1);
    if (file === undefined) throw new Error(`baresip recorded nothing\n${this.log()}`);
    return readWav(await readFile(join(this.#dir, file)));
  }

  command(command: string, params = ""): void {
    this.#control?.write(toNetstring(JSON.stringify({ command, params, token: command })));
  }

  log(): string {
    return this.#log.slice(-4_000);
  }

  /** Waits for an event; `fails` names those that make it hopeless. */
  event(
    wanted: (type: string) => boolean,
    what: string,
    deadlineMs: number,
    fails: (type: string) => boolean = () => false,
    from = 0,
  ): Promise<BaresipEvent> {
    return new Promise((resolve, reject) => {
      const settle = (finish: () => void) => {
        clearTimeout(timer);
        this.#waiters.delete(check);
        finish();
      };
      const check = () => {
        const found = this.events.slice(from).find(({ type }) => wanted(type) || fails(type));
        if (!found) return;
        settle(() => {
          if (fails(found.type))
            reject(new Error(`baresip: no ${what}: ${JSON.stringify(found)}\n${this.log()}`));
          else resolve(found);
        });
      };
      const timer = setTimeout(() => {
        settle(() => {
          reject(new Error(`baresip: no ${what} within ${deadlineMs} ms\n${this.log()}`));
        });
      }, deadlineMs);
      this.#waiters.add(check);
      check();
    });
  }

  /** Ends the process and deletes its folder. */
  async stop(): Promise<void> {
    this.#control?.destroy();
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const exited = new Promise<void>((resolve) =>
        this.#child.once("exit", () => {
          resolve();
        }),
      );
      this.#child.kill("SIGTERM");
      const kill = setTimeout(() => this.#child.kill("SIGKILL"), 2_000);
      await exited;
      clearTimeout(kill);
    }
    await rm(this.#dir, { recursive: true, force: true });
  }

  /** Its control socket opens a moment after its start. */
  async #connect(port: number): Promise<boolean> {
    for (let attempt = 0; attempt < 100; attempt++) {
      const socket = await tryConnect(port);
      if (socket) {
        this.#control = socket;
        socket.on("error", () => undefined);
        socket.on(
          "data",
          netstrings((text) => {
            this.#receive(text);
          }),
        );
        return true;
      }
      if (this.#child.exitCode !== null) break;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return false;
  }

  #receive(text: string): void {
    const message = JSON.parse(text) as { event?: boolean; type?: string };
    if (message.event !== true) return;
    this.events.push({ ...message, type: message.type ?? "" });
    for (const wake of this.#waiters) wake();
  }
}

function tryConnect(port: number): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    socket.once("connect", () => {
      resolve(socket);
    });
    socket.once("error", () => {
      resolve(undefined);
    });
  });
}

/** baresip hangs up when its file ends: enough silence follows for any call of a test. */
const TAIL_MS = 120_000;
/** It says its speech several times: on a busy machine the first one may begin before it has the floor. */
const TIMES = 4;

function callAudio({ speech = speechSample(), leadMs = 0 }: BaresipOptions): Int16Array {
  const turn = (leadMs * RATE) / 1_000 + speech.length;
  const samples = new Int16Array(TIMES * turn + (TAIL_MS * RATE) / 1_000);
  for (let time = 1; time <= TIMES; time++) samples.set(speech, time * turn - speech.length);
  return samples;
}

/** The recipe: no `net_interface lo`, no stdio module, ports apart by two, `;lr` added to the outbound proxy by itself. */
async function writeConfig(dir: string, options: BaresipOptions, control: number): Promise<void> {
  const { transport = "udp", codec = "pcmu", register = true, answer = "manual" } = options;
  const wav = join(dir, "says.wav");
  await writeFile(wav, writeWav({ rate: RATE, samples: callAudio(options) }));
  const rtp = await freeUdpRange(22);
  const config = [
    "module_path /usr/lib/baresip/modules",
    `sip_listen 127.0.0.1:${await freeSipPort()}`,
    "audio_player aubridge,none",
    "audio_alert aubridge,none",
    `audio_source aufile,${wav}`,
    ...["ausrc_format", "auplay_format", "auenc_format", "audec_format"].map((name) => `${name} s16`),
    `rtp_ports ${rtp}-${rtp + 20}`,
    `snd_path ${dir}`,
    ...["g711", "aufile", "aubridge", "sndfile"].map((name) => `module ${name}.so`),
    ...["uuid", "account"].map((name) => `module_tmp ${name}.so`),
    ...["menu", "ctrl_tcp"].map((name) => `module_app ${name}.so`),
    `ctrl_tcp_listen 127.0.0.1:${control}`,
  ];
  const account = [
    `<sip:${options.user}@${options.domain};transport=${transport}>`,
    `auth_user=${options.user}`,
    `auth_pass=${options.password}`,
    `outbound="sip:${options.server};transport=${transport}"`,
    `regint=${register ? 300 : 0}`,
    `audio_codecs=${codec}`,
    `answermode=${answer}`,
    "ptime=20",
  ];
  await writeFile(join(dir, "config"), `${config.join("\n")}\n`);
  await writeFile(join(dir, "accounts"), `${account.join(";")}\n`);
  await writeFile(join(dir, "contacts"), "");
}
