import { spawn, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Logger } from "#common/log.ts";
import type { Role } from "#state/instance/instance.ts";
import type { RoleReady } from "../role/run-role.ts";
import { restartDelayOf } from "./backoff.ts";

/** One process to keep running. */
export interface ProcessPlan {
  readonly role: Role;
  /** Its name among the processes of this supervisor: `signaling-1`. */
  readonly name: string;
  readonly environment: Readonly<Record<string, string>>;
}

export interface Running {
  readonly role: Role;
  readonly name: string;
  readonly instance: string;
  readonly pid: number;
}

export interface Supervisor {
  /** Resolves when every process has said that it is ready; rejects when one of them gives up before that. */
  readonly allReady: Promise<undefined>;
  running(): Running[];
  /** SIGTERM to all, SIGKILL to those that do not leave in time. Idempotent. */
  stop(): Promise<void>;
}

interface Slot {
  readonly plan: ProcessPlan;
  child?: ChildProcess;
  ready?: RoleReady;
  deaths: number;
  startedAt: number;
  restart?: NodeJS.Timeout;
}

const PROGRAM = fileURLToPath(new URL("../../crossband.ts", import.meta.url));
/** Longer than a role's own drain limit, so that the kill is for hung processes only. */
const STOP_LIMIT_MS = 12_000;
/** A process that dies this often before it was ever ready has a fault that a restart does not cure. */
const HOPELESS_DEATHS = 4;

/**
 * A young generation that fits the role: the garbage collector fills whatever it is given before it looks for garbage, so
 * that a process which idles most of the time would keep tens of MB of it.
 */
const YOUNG_MB: Readonly<Record<Role, number>> = {
  signaling: 4,
  edge: 4,
  media: 2,
  "radio-bridge": 1,
  api: 1,
};

const nodeFlagsOf = (role: Role): string[] => [
  "--disable-warning=ExperimentalWarning",
  `--max-semi-space-size=${YOUNG_MB[role]}`,
];

/** @param onChange called when the set of running processes has changed and all of them are ready */
export function supervise(plans: readonly ProcessPlan[], log: Logger, onChange: () => void): Supervisor {
  const slots: Slot[] = plans.map((plan) => ({ plan, deaths: 0, startedAt: 0 }));
  const allReady = Promise.withResolvers<undefined>();
  let stopping = false;

  const start = (slot: Slot): void => {
    const { plan } = slot;
    slot.startedAt = Date.now();
    const child = spawn(process.execPath, [...nodeFlagsOf(plan.role), PROGRAM, plan.role], {
      env: { ...process.env, ...plan.environment, CROSSBAND_INSTANCE: plan.name },
      stdio: ["ignore", "inherit", "inherit", "ipc"],
      // A Ctrl-C in the terminal reaches the supervisor only; it then stops the roles in order.
      detached: true,
    });
    slot.child = child;
    child.on("message", (message: RoleReady) => {
      slot.ready = message;
      if (slots.every((each) => each.ready)) {
        allReady.resolve(undefined);
        onChange();
      }
    });
    child.once("exit", (code, signal) => {
      ended(slot, code, signal);
    });
    child.once("error", (error) => {
      log.error({ process: plan.name, error: error.message }, "process not started");
    });
  };

  const ended = (slot: Slot, code: number | null, signal: string | null): void => {
    const wasReady = slot.ready !== undefined;
    delete slot.child;
    delete slot.ready;
    if (stopping) return;
    const { delayMs, deaths } = restartDelayOf(slot.deaths + 1, Date.now() - slot.startedAt);
    slot.deaths = deaths;
    log.error({ process: slot.plan.name, code, signal, delayMs }, "process died, restarting");
    if (!wasReady && deaths >= HOPELESS_DEATHS)
      allReady.reject(
        new Error(`${slot.plan.name} died ${deaths} times before it was ready; its log lines above say why`),
      );
    slot.restart = setTimeout(() => {
      start(slot);
    }, delayMs);
  };

  slots.forEach(start);

  return {
    allReady: allReady.promise,
    running: () =>
      slots.flatMap(({ plan, child, ready }) =>
        child?.pid === undefined || !ready
          ? []
          : [{ role: plan.role, name: plan.name, instance: ready.instance, pid: child.pid }],
      ),
    async stop() {
      stopping = true;
      await Promise.all(
        slots.map(async ({ child, restart }) => {
          clearTimeout(restart);
          if (child?.exitCode !== null || child.signalCode !== null) return;
          const gone = new Promise<void>((done) =>
            child.once("exit", () => {
              done();
            }),
          );
          child.kill("SIGTERM");
          const kill = setTimeout(() => child.kill("SIGKILL"), STOP_LIMIT_MS);
          await gone;
          clearTimeout(kill);
        }),
      );
    },
  };
}
