import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startCrossband, type RunningCrossband } from "#test/peers/crossband/start-crossband.ts";
import type { Call } from "#test/peers/sip-phone/call.ts";
import { createPhone, type Phone } from "#test/peers/sip-phone/phone.ts";
import { freeUdpRange } from "#test/setup/free-ports.ts";
import { freeRadioChannel, passwordOf, testProvision } from "./groups.ts";

let crossband: RunningCrossband;
let phone: Phone;
let channel: { listen: string; remote: string };
let pids: number[];

const port = () => Number(crossband.ready.sip.udp.split(":")[1]);

beforeAll(async () => {
  channel = await freeRadioChannel();
  crossband = await startCrossband({ provision: testProvision(channel) });
  pids = crossband.ready.processes.map(({ pid }) => pid).sort();
  phone = await createPhone({
    server: crossband.ready.sip.udp,
    domain: crossband.ready.domain,
    user: "alice",
    password: passwordOf("alice"),
  });
  await phone.register();
});
afterAll(async () => {
  phone.close();
  await crossband.end();
});

const options = (over: { branch?: string; length?: string; extra?: string; body?: string } = {}) =>
  `OPTIONS sip:test.crossband SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;rport;branch=z9hG4bK${over.branch ?? "b"}\r\nFrom: <sip:x@test.crossband>;tag=1\r\nTo: <sip:test.crossband>\r\nCall-ID: bad-${Math.random()}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n${over.extra ?? ""}Content-Length: ${over.length ?? "0"}\r\n\r\n${over.body ?? ""}`;

/** Sends one datagram to the SIP port and resolves with the first answer, or undefined when none comes. */
async function ask(message: string | Buffer, waitMs = 1_500): Promise<string | undefined> {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  const answer = new Promise<string | undefined>((done) => {
    const timer = setTimeout(() => {
      done(undefined);
    }, waitMs);
    socket.once("message", (bytes) => {
      clearTimeout(timer);
      done(bytes.toString("latin1"));
    });
  });
  socket.send(message, port(), "127.0.0.1");
  const text = await answer;
  socket.close();
  return text;
}

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`${crossband.ready.http}/metrics`)).text();
  return text
    .split("\n")
    .filter((line) => line.startsWith(name))
    .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

describe("bad input gets a clear answer and nothing goes down", () => {
  it("answers a well-formed OPTIONS, so that silence below means something", async () => {
    expect(await ask(options())).toMatch(/^SIP\/2\.0 200 /);
  });

  it.each([
    ["a body shorter than its Content-Length", options({ length: "50", body: "short" }), /^SIP\/2\.0 400 /],
    ["a negative Content-Length", options({ length: "-1" }), /^SIP\/2\.0 400 /],
    ["a CSeq method that differs", options().replace("CSeq: 1 OPTIONS", "CSeq: 1 INVITE"), /^SIP\/2\.0 400 /],
    [
      "no Max-Forwards left",
      options().replace("Max-Forwards: 70", "Max-Forwards: 0").replaceAll("OPTIONS", "INVITE"),
      /^SIP\/2\.0 (100|483) /,
    ],
    ["an extension that nobody has", options({ extra: "Require: warp-drive\r\n" }), /^SIP\/2\.0 420 /],
    [
      "a SIP version of tomorrow",
      options().replace("sip:test.crossband SIP/2.0", "sip:test.crossband SIP/7.0"),
      /^SIP\/2\.0 (505|400) /,
    ],
  ])("SIP with %s", async (_title, message, answer) => {
    expect(await ask(message)).toMatch(answer);
  });

  it("SIP that cannot be answered is dropped and counted", async () => {
    const before = await metric('crossband_sip_transport_events{event="malformed"');
    for (const junk of ["\0".repeat(40), "GET / HTTP/1.0\r\n\r\n", "INVITE\r\n\r\n", "x".repeat(65_000)])
      expect(await ask(junk, 200)).toBeUndefined();
    expect(await metric('crossband_sip_transport_events{event="malformed"')).toBeGreaterThan(before);
  });

  it("SIP with bytes that are not UTF-8, folded headers and NULs does not hurt", async () => {
    const hostile = Buffer.concat([
      Buffer.from(options({ extra: "Subject: a\r\n b\r\nX-Bytes: " }).slice(0, -4)),
      Buffer.from([0xff, 0xfe, 0x00, 0x0d, 0x0a, 0x0d, 0x0a]),
    ]);
    await ask(hostile, 300);
    expect(await ask(options())).toMatch(/^SIP\/2\.0 200 /);
  });

  it("never writes a header that came inside a value", async () => {
    const answer = await ask(options({ extra: "" }).replace("tag=1", "tag=1%0d%0aX-Evil: yes"));
    expect(answer ?? "").not.toMatch(/^X-Evil/m);
  });

  it("TCP that is not SIP is closed", async () => {
    const socket = connect(port(), "127.0.0.1");
    await once(socket, "connect");
    socket.on("error", () => undefined);
    socket.write("NONSENSE\r\n\r\n".repeat(10_000));
    await once(socket, "close");
    expect(await ask(options())).toMatch(/^SIP\/2\.0 200 /);
  });

  it("a wrong password is refused, whether the user exists or not, with the same words", async () => {
    const statuses = [];
    for (const user of ["alice", "nobody"]) {
      const stranger = await createPhone({
        server: crossband.ready.sip.udp,
        domain: crossband.ready.domain,
        user,
        password: "wrong",
      });
      const { status, reason } = await stranger.tryRegister();
      statuses.push(`${status} ${reason}`);
      stranger.close();
    }
    expect(statuses[0]).toMatch(/^40[13] /);
    expect(statuses[1]).toBe(statuses[0]);
  });

  it("an unknown group is 404", async () => {
    await expect(phone.call("fire-99")).rejects.toMatchObject({ status: 404 });
  });

  it("SDP without a common codec is 488 with a Warning", async () => {
    const sdp =
      "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9000 RTP/AVP 18\r\na=rtpmap:18 G729/8000\r\n";
    const answer = await phone.outside("INVITE", "command", [["Content-Type", "application/sdp"]], sdp);
    expect(answer.status).toBe(488);
    expect(answer.headers.find(([name]) => name.toLowerCase() === "warning")?.[1]).toMatch(/^30[45] /);
  });

  it("SDP that is none is 400", async () => {
    const answer = await phone.outside("INVITE", "command", [["Content-Type", "application/sdp"]], "hello");
    expect(answer.status).toBe(400);
  });

  it("malformed RTP is dropped and counted, and the call goes on", async () => {
    const call = await phone.call("command");
    const before = await metric("crossband_media_packets_dropped_total");
    call.rtp.sendRaw(Buffer.from([0x00, 0x01]));
    call.rtp.sendRaw(Buffer.alloc(2_000, 0xff));
    call.rtp.sendRaw(Buffer.from("8f00000100000001000000aa", "hex"));
    await expect
      .poll(() => metric("crossband_media_packets_dropped_total"), { timeout: 5_000 })
      .toBeGreaterThan(before);
    expect((await call.hangup()).status).toBe(200);
  });

  it("malformed USRP is dropped and counted", async () => {
    const before = await metric("crossband_radio_dropped_total");
    const socket = createSocket("udp4");
    socket.bind(Number(channel.remote.split(":")[1]), "127.0.0.1");
    await once(socket, "listening");
    const listen = Number(channel.listen.split(":")[1]);
    for (const junk of ["", "USRP", "NOPE".repeat(20), "USRP".repeat(200)])
      socket.send(junk, listen, "127.0.0.1");
    await expect
      .poll(() => metric("crossband_radio_dropped_total"), { timeout: 5_000 })
      .toBeGreaterThan(before);
    socket.close();
  });

  it("JSON of the wrong shape is a problem that names the field", async () => {
    const response = await fetch(`${crossband.ready.http}/v1/session`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ user: 7 }),
    });
    expect(response.status).toBe(400);
    expect(response.headers.get("content-type")).toContain("application/problem+json");
    expect(JSON.stringify(await response.json())).toMatch(/user/);
  });

  it("provisioning over the API needs the administrator's token and names a bad field", async () => {
    const put = (token: string, body: unknown) =>
      fetch(`${crossband.ready.http}/v1/agencies/ems`, {
        method: "PUT",
        headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
        body: JSON.stringify(body),
      });
    expect((await put("guess", { id: "ems", name: "EMS" })).status).toBe(401);
    const token = readFileSync(`${crossband.home}/admin-token`, "utf8").trim();
    expect((await put(token, { id: "ems", name: "" })).status).toBe(400);
    expect((await put(token, { id: "ems", name: "EMS" })).status).toBeLessThan(300);
  });

  it("and every process that ran at first runs still", () => {
    expect(
      crossband
        .reread()
        .processes.map(({ pid }) => pid)
        .sort(),
    ).toEqual(pids);
  });
});

describe("a full range of RTP ports", () => {
  it("answers 503 with Retry-After, and takes calls again when one has ended", async () => {
    const range = await freeUdpRange(12);
    const small = await startCrossband({
      provision: testProvision(await freeRadioChannel()),
      env: { CROSSBAND_RTP_PORTS: `${range}-${range + 11}` },
    });
    const caller = await createPhone({
      server: small.ready.sip.udp,
      domain: small.ready.domain,
      user: "alice",
      password: passwordOf("alice"),
    });
    await caller.register();
    const calls: Call[] = [];
    let refused: unknown;
    for (let i = 0; i < 8 && refused === undefined; i++) {
      await caller.call("command").then(
        (call) => calls.push(call),
        (error: unknown) => (refused = error),
      );
    }
    expect(calls.length).toBeGreaterThan(0);
    expect(refused).toMatchObject({ status: 503 });
    for (const call of calls) expect((await call.hangup()).status).toBe(200);
    caller.close();
    await small.end();
  });
});
