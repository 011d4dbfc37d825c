import { once } from "node:events";
import { createRequire } from "node:module";
import { connect as connectTcp } from "node:net";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { configSchema } from "#common/config.ts";
import { silent } from "#common/log.ts";
import { announceInstance, INSTANCE_RENEW_MS, knownInstances } from "#state/instance/instance.ts";
import { connect } from "#state/redis/connection.ts";
import { openEdge, type Edge } from "#signaling/edge/open-edge.ts";
import { openUdpPhone, SDP, type UdpPhone } from "#signaling/edge/testing/udp-phone.ts";
import { startRedis, type RedisServer } from "#test/setup/start-redis.ts";
import { deliverToClient, wireDelivery } from "./wire-delivery.ts";
import { createWireServer, type WireServer } from "./wire-server.ts";

/** The part of drachtio-srf that a usual application uses; its own typings refuse most of it. */
interface Message {
  method: string;
  uri: string;
  body: string;
  status: number;
  get(name: string): string;
  on(event: string, listener: (message: Message) => void): void;
  cancel(): void;
}
interface Answer {
  send(status: number, options?: object): void;
}
interface Dialog {
  on(event: string, listener: (request: Message, answer: Answer) => void): void;
  destroy(): Promise<void>;
  request(options: object): Promise<Message>;
  sip: { localTag: string; remoteTag: string };
}
type Middleware = (request: Message, answer: Answer) => void;
interface Srf {
  connect(options: object): void;
  disconnect(): void;
  on(event: "connect" | "error", listener: (error: Error | null) => void): void;
  on(event: string, listener: (...values: unknown[]) => void): void;
  use(method: string, middleware: Middleware): void;
  invite(middleware: Middleware): void;
  options(middleware: Middleware): void;
  createUAS(request: Message, answer: Answer, options: object): Promise<Dialog>;
  createUAC(uri: string, options: object, progress?: object): Promise<Dialog>;
  request(uri: string, options: object): Promise<Message>;
}
const Srf = createRequire(import.meta.url)("drachtio-srf") as new () => Srf;

let redisServer: RedisServer;
let one: Running;
let phone: UdpPhone;
const apps = new Set<Srf>();

interface Running {
  edge: Edge;
  wire: WireServer;
  port: number;
  drachtio: number;
  close(): Promise<void>;
}

async function startEdgeWithWire(instance: string): Promise<Running> {
  const redis = connect(redisServer.url, { log: silent });
  const config = configSchema.parse({ sip: { port: 0, tlsPort: 0 }, drachtio: { port: 0 } });
  const context = {
    config,
    instance,
    redis,
    log: silent,
    secret: "test secret",
    openBlocking: () => connect(redisServer.url, { log: silent, blocking: true }),
  };
  const edge: Edge = openEdge({
    context,
    onRpc: (request) => Promise.resolve(deliverToClient(wire, request)),
  });
  const wire: WireServer = createWireServer({
    config,
    port: edge.port,
    instance,
    log: silent,
    peers: wireDelivery(edge.rpc, instance, () => knownInstances(redis)),
  });
  const card = { role: "edge", instance, pid: process.pid, listeners: {}, load: 0, draining: false } as const;
  await announceInstance(redis, card);
  const renewal = setInterval(() => void announceInstance(redis, card), INSTANCE_RENEW_MS);
  const { udp } = await edge.listen();
  const drachtio = await wire.listen();
  return {
    edge,
    wire,
    port: Number(udp.split(":")[1]),
    drachtio: Number(drachtio.split(":")[1]),
    async close() {
      clearInterval(renewal);
      await wire.close();
      await edge.close();
      redis.disconnect();
    },
  };
}

/** An application as its author writes it, attached, and its route (when it sets one up) known to the edge. */
async function attach(
  setUp?: (srf: Srf) => void,
  to = one,
  secret = "cymru",
  count = setUp ? 1 : 0,
): Promise<Srf> {
  const srf = new Srf();
  setUp?.(srf);
  const routes = to.wire.routes + count;
  const connected = new Promise<Error | null>((resolve) => {
    srf.on("connect", resolve);
    srf.on("error", () => undefined);
  });
  srf.connect({ host: "127.0.0.1", port: to.drachtio, secret, reconnect: { maxAttempts: 1 } });
  const error = await connected;
  if (error) throw error;
  apps.add(srf);
  await expect.poll(() => to.wire.routes).toBe(routes);
  return srf;
}

function detach(srf: Srf): void {
  if (apps.delete(srf)) srf.disconnect();
}

const request = (method: string, toTag: string, seq: number) =>
  phone.request({ method, seq, branch: `${phone.name}${method}${seq}`, toTag });

beforeAll(async () => {
  redisServer = await startRedis();
  one = await startEdgeWithWire("one");
});
afterAll(async () => {
  await one.close();
  await redisServer.stop();
});
beforeEach(async () => {
  phone = await openUdpPhone();
});
afterEach(async () => {
  phone.close();
  for (const srf of apps) detach(srf);
  await expect.poll(() => one.wire.clients).toBe(0);
});

describe("a drachtio application that is called", () => {
  it("answers an INVITE with createUAS, and its dialog hears the BYE", async () => {
    let bye: Message | undefined;
    await attach((srf) => {
      srf.invite((req, res) => {
        void srf.createUAS(req, res, { localSdp: SDP, headers: { "X-App": "yes" } }).then((dialog) => {
          dialog.on("destroy", (message) => {
            bye = message;
          });
        });
      });
    });
    phone.send(one.port, phone.invite());
    const ok = await phone.next(200);
    expect(ok.body).toBe(SDP);
    expect(ok.header("X-App")).toBe("yes");
    phone.send(one.port, request("ACK", ok.to.tag ?? "", 1));
    phone.send(one.port, request("BYE", ok.to.tag ?? "", 2));
    expect((await phone.next(200)).cseq.method).toBe("BYE");
    await expect.poll(() => bye?.get("Call-ID")).toBe(ok.callId);
  });

  it("hears the CANCEL of an INVITE it has not answered", async () => {
    let cancelled = false;
    await attach((srf) => {
      srf.invite((req, res) => {
        req.on("cancel", () => {
          cancelled = true;
        });
        res.send(180);
      });
    });
    phone.send(one.port, phone.invite());
    await phone.next(180);
    phone.send(one.port, phone.request({ method: "CANCEL", seq: 1, branch: `${phone.name}i` }));
    expect((await phone.next(487)).cseq.method).toBe("INVITE");
    await expect.poll(() => cancelled).toBe(true);
  });

  it("ends the call itself with destroy, and holds it with a re-INVITE", async () => {
    let dialog: Dialog | undefined;
    await attach((srf) => {
      srf.invite((req, res) => {
        void srf.createUAS(req, res, { localSdp: SDP }).then((made) => {
          dialog = made;
        });
      });
    });
    phone.send(one.port, phone.invite());
    const ok = await phone.next(200);
    phone.send(one.port, request("ACK", ok.to.tag ?? "", 1));
    await expect.poll(() => dialog?.sip.localTag).toBe(ok.to.tag);
    const info = dialog?.request({
      method: "INFO",
      headers: { "Content-Type": "application/dtmf-relay" },
      body: "Signal=5\r\n",
    });
    const got = await phone.next("INFO");
    expect(got.body).toBe("Signal=5\r\n");
    phone.send(one.port, answer(got));
    expect((await info)?.status).toBe(200);
    const ended = dialog?.destroy();
    phone.send(one.port, answer(await phone.next("BYE")));
    await ended;
  });

  it("answers OPTIONS, and 503 is said for what it did not ask for", async () => {
    await attach((srf) => {
      srf.options((_req, res) => {
        res.send(200, { headers: { "X-App": "options" } });
      });
    });
    phone.send(one.port, phone.request({ method: "OPTIONS", seq: 1, branch: `${phone.name}o` }));
    expect((await phone.next(200)).header("X-App")).toBe("options");
    phone.send(one.port, phone.request({ method: "MESSAGE", seq: 1, branch: `${phone.name}m` }));
    expect((await phone.next(503)).cseq.method).toBe("MESSAGE");
  });
});

describe("a drachtio application that calls", () => {
  it("sends a request outside a dialog and sees its response", async () => {
    const srf = await attach();
    const sent = await srf.request(`sip:bob@127.0.0.1:${phone.port}`, {
      method: "OPTIONS",
      headers: { Subject: "hello" },
    });
    const response = new Promise<Message>((resolve) => {
      sent.on("response", resolve);
    });
    const got = await phone.next("OPTIONS");
    expect(got.header("Subject")).toBe("hello");
    expect(got.from.uri.host).not.toBe("localhost");
    phone.send(one.port, answer(got));
    expect((await response).status).toBe(200);
  });

  it("makes a call with createUAC and ends it", async () => {
    const srf = await attach();
    const making = srf.createUAC(`sip:bob@127.0.0.1:${phone.port}`, { localSdp: SDP });
    const invite = await phone.next("INVITE");
    phone.send(one.port, answer(invite, 180, ""));
    phone.send(one.port, answer(invite));
    const dialog = await making;
    expect((await phone.next("ACK")).cseq.seq).toBe(invite.cseq.seq);
    const ended = dialog.destroy();
    phone.send(one.port, answer(await phone.next("BYE")));
    await ended;
  });

  it("cancels an INVITE that rings", async () => {
    const srf = await attach();
    let sent: Message | undefined;
    const making = srf.createUAC(
      `sip:bob@127.0.0.1:${phone.port}`,
      { localSdp: SDP },
      { cbRequest: (_error: unknown, req: Message) => (sent = req) },
    );
    const invite = await phone.next("INVITE");
    phone.send(one.port, answer(invite, 180, ""));
    await expect.poll(() => sent).toBeDefined();
    sent?.cancel();
    phone.send(one.port, answer(await phone.next("CANCEL")));
    phone.send(one.port, answer(invite, 487, ""));
    await expect(making).rejects.toMatchObject({ status: 487 });
    await phone.next("ACK");
  });
});

describe("call records of applications", () => {
  it("tell of attempt, start and stop to one who asked for them", async () => {
    const told: string[] = [];
    await attach(
      (srf) => {
        srf.on("cdr:attempt", (source) => told.push(`attempt ${String(source)}`));
        srf.on("cdr:start", (source, _time, role) => told.push(`start ${String(source)} ${String(role)}`));
        srf.on("cdr:stop", (source, _time, reason) => told.push(`stop ${String(source)} ${String(reason)}`));
        srf.invite((req, res) => {
          void srf.createUAS(req, res, { localSdp: SDP });
        });
      },
      one,
      "cymru",
      4,
    );
    phone.send(one.port, phone.invite());
    const ok = await phone.next(200);
    phone.send(one.port, request("ACK", ok.to.tag ?? "", 1));
    phone.send(one.port, request("BYE", ok.to.tag ?? "", 2));
    await phone.next(200);
    await expect
      .poll(() => told)
      .toEqual(["attempt network", "start application uas", "stop network normal-release"]);
  });
});

describe("bad applications", () => {
  it.each([
    ["garbage", "GET / HTTP/1.1\r\n\r\n"],
    ["a command before the secret", "15#u1|route|invite"],
    ["a frame that is too long", "100000#"],
  ])("are disconnected when they send %s, and others go on", async (_, bytes) => {
    const socket = connectTcp(one.drachtio, "127.0.0.1");
    socket.write(bytes);
    await once(socket, "close");
    await attach((srf) => {
      srf.options((_req, res) => {
        res.send(200);
      });
    });
    phone.send(one.port, phone.request({ method: "OPTIONS", seq: 1, branch: `${phone.name}o` }));
    await phone.next(200);
  });

  it("are told NOK when they name what does not exist", async () => {
    const srf = await attach();
    const uri = "sip:placeholder";
    await expect(srf.request(uri, { method: "BYE", stackDialogId: "x|y" })).rejects.toThrow();
    await expect(srf.request(uri, { method: "BYE", stackDialogId: "none" })).rejects.toMatchObject({
      code: "ENODIALOG",
    });
    await expect(srf.request(uri, { method: "CANCEL", stackTxnId: "none" })).rejects.toThrow(
      "unknown transaction",
    );
  });
});

describe("attachment", () => {
  it("answers 480 while no application is attached", async () => {
    phone.send(one.port, phone.invite());
    expect((await phone.next(480)).cseq.method).toBe("INVITE");
  });

  it("refuses a wrong secret", async () => {
    await expect(attach(undefined, one, "wrong")).rejects.toThrow("failed to authenticate");
  });

  it("gives the unanswered INVITE of an application that is gone to another one", async () => {
    const first = await attach((srf) => {
      srf.invite((_req, res) => {
        res.send(180);
      });
    });
    phone.send(one.port, phone.invite());
    await phone.next(180);
    await attach((srf) => {
      srf.invite((_req, res) => {
        res.send(486);
      });
    });
    detach(first);
    expect((await phone.next(486)).cseq.method).toBe("INVITE");
  });

  it("hands the BYE of a call to the application that has it, whichever instance it arrives at", async () => {
    const two = await startEdgeWithWire("two");
    try {
      let ended = false;
      await attach((srf) => {
        srf.invite((req, res) => {
          void srf.createUAS(req, res, { localSdp: SDP }).then((dialog) => {
            dialog.on("destroy", () => {
              ended = true;
            });
          });
        });
      });
      phone.send(one.port, phone.invite());
      const ok = await phone.next(200);
      phone.send(one.port, request("ACK", ok.to.tag ?? "", 1));
      phone.send(two.port, request("BYE", ok.to.tag ?? "", 2));
      expect((await phone.next(200)).cseq.method).toBe("BYE");
      await expect.poll(() => ended).toBe(true);
    } finally {
      await two.close();
    }
  });
});

/** The phone's response to a request of the edge. */
function answer(
  got: Awaited<ReturnType<UdpPhone["next"]>>,
  status = 200,
  body = got.method === "INVITE" ? SDP : "",
): string {
  const copied = ["Via", "From", "Call-ID", "CSeq"].flatMap((name) =>
    got.headers(name).map((value) => `${name}: ${value}\r\n`),
  );
  const to = got.to.tag === undefined ? `${got.header("To") ?? ""};tag=bob` : (got.header("To") ?? "");
  const type = body === "" ? "" : "Content-Type: application/sdp\r\n";
  return `SIP/2.0 ${status} X\r\n${copied.join("")}To: ${to}\r\nContact: <sip:bob@127.0.0.1:${phone.port}>\r\n${type}Content-Length: ${body.length}\r\n\r\n${body}`;
}
