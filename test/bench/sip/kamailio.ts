import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "#test/setup/free-ports.ts";

/** Kamailio as a stateful proxy: the peer that a call's processor time is held against on this very machine. */
export interface Kamailio {
  readonly port: number;
  readonly pids: readonly number[];
  stop(): Promise<void>;
}

const READY_MS = 10_000;

/** Relays every call to one address, with transactions and Record-Route, and keeps nothing else. */
const configuration = (port: number, callee: number): string => `
debug=0
log_stderror=yes
children=1
auto_aliases=no
disable_tcp=yes
listen=udp:127.0.0.1:${port}
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
request_route {
  if (!mf_process_maxfwd_header("10")) { sl_send_reply("483", "Too Many Hops"); exit; }
  if (is_method("OPTIONS")) { sl_send_reply("200", "OK"); exit; }
  if (is_method("CANCEL")) { if (t_check_trans()) t_relay(); exit; }
  if (has_totag()) {
    if (loose_route()) { t_relay(); exit; }
    if (is_method("ACK")) { if (t_check_trans()) t_relay(); exit; }
    sl_send_reply("404", "Not Here");
    exit;
  }
  t_check_trans();
  if (is_method("INVITE")) record_route();
  $du = "sip:127.0.0.1:${callee}";
  if (!t_relay()) sl_reply_error();
}
`;

/**
 * Starts it on a free port; undefined when it is not installed.
 *
 * @param callee UDP port that every call is relayed to
 */
export async function startKamailio(callee: number): Promise<Kamailio | undefined> {
  const dir = await mkdtemp(join(tmpdir(), "crossband-kamailio-"));
  const file = join(dir, "kamailio.cfg");
  const port = await freePort();
  await writeFile(file, configuration(port, callee));
  const child = spawn("kamailio", ["-f", file, "-DD", "-E", "-m", "128", "-Y", dir], { stdio: "ignore" });
  const gone = new Promise<void>((done) => {
    for (const event of ["exit", "error"]) child.once(event, () => { done(); }); // prettier-ignore
  });
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    await gone;
    await rm(dir, { recursive: true, force: true });
  };
  const started = await Promise.race([gone.then(() => undefined), workers(child.pid)]);
  if (started === undefined) {
    await stop();
    return undefined;
  }
  return { port, pids: started, stop };
}

/** It forks its workers before it takes a call; the main process is counted with them. */
async function workers(pid: number | undefined): Promise<readonly number[] | undefined> {
  const deadline = Date.now() + READY_MS;
  let before = 0;
  while (pid !== undefined && Date.now() < deadline) {
    await new Promise((done) => setTimeout(done, 300));
    const children = childrenOf(pid);
    if (children.length > 1 && children.length === before) return [pid, ...children];
    before = children.length;
  }
  return undefined;
}

function childrenOf(pid: number): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1");
    return text.split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}
