import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { groupSnapshotKey } from "#state/talk-group/talk-group.keys.ts";
import type { Description, LegRequest } from "#common/media-control.ts";
import { isSilent } from "#test/peers/audio/measures.ts";
import { toneSource } from "#test/peers/audio/sources.ts";
import { RtpStream } from "#test/peers/sip-phone/rtp-stream.ts";
import { formatSdp, parseSdp } from "#test/peers/sip-phone/sdp.ts";
import { joinPhone, startMediaFixture, type MediaFixture } from "./testing/media-fixture.ts";
import { fullDuplex, halfDuplex } from "./testing/policies.ts";

let media: MediaFixture;
beforeAll(async () => {
  media = await startMediaFixture();
});
afterAll(async () => {
  await media.close();
});

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const request = (group: string, description: Description, revision = 1): LegRequest => ({
  revision,
  group: halfDuplex(group),
  member: { id: "alice", name: "Alice", kind: "phone", priority: 5 },
  description,
});
const offer = (changes: Partial<Parameters<typeof formatSdp>[0]> = {}): Description => ({
  type: "offer",
  sdp: formatSdp({
    host: "127.0.0.1",
    port: 4_000,
    codecs: ["PCMU", "PCMA"],
    events: 101,
    version: 1,
    session: 1,
    ...changes,
  }),
});
const refusal = (code: string, context: object = {}): unknown =>
  expect.objectContaining({ context: expect.objectContaining({ code, ...context }) as unknown });

describe("a phone's leg", () => {
  it("is answered alike when the request is repeated, also at the same moment", async () => {
    const body = request("ng-again", offer());
    const [first, second] = await Promise.all([media.put("ng.again", body), media.put("ng.again", body)]);
    expect(second).toEqual(first);
    expect(await media.put("ng.again", body)).toEqual(first);
    expect((await media.snapshot("ng-again")).participants).toHaveLength(1);
    await media.remove("ng.again");
  });

  it("refuses an exchange that a later one has overtaken", async () => {
    await media.put("ng.old", request("ng-old", offer(), 2));
    await expect(media.put("ng.old", request("ng-old", offer(), 1))).rejects.toMatchObject({
      code: "RPC_REFUSED",
    });
    await media.remove("ng.old");
  });

  it("keeps its port and session when the phone offers again, and its version while nothing changed", async () => {
    const first = await media.put("ng.keep", request("ng-keep", offer(), 1));
    const second = await media.put("ng.keep", request("ng-keep", offer({ version: 2 }), 2));
    expect(second).toEqual(first);
    const held = await media.put("ng.keep", request("ng-keep", offer({ direction: "sendonly" }), 3));
    const [before, after] = [first, held].map(({ description }) =>
      description?.type === "answer" ? description.sdp : "",
    );
    expect(after).toContain("a=recvonly");
    expect(parseSdp(after ?? "").port).toBe(parseSdp(before ?? "").port);
    const origin = (sdp = "") => /o=crossband (\d+) (\d+)/.exec(sdp)?.slice(1).map(Number) ?? [];
    expect(origin(after)).toEqual([origin(before)[0], (origin(before)[1] ?? 0) + 1]);
    await media.remove("ng.keep");
  });

  it("is offered both codecs when the phone brought no description, and works with its answer", async () => {
    const rtp = await RtpStream.open("127.0.0.1");
    const group = fullDuplex("ng-none");
    const member = { id: "dave", name: "Dave", kind: "phone", priority: 5 } as const;
    const { description } = await media.put("ng.none", {
      revision: 1,
      group,
      member,
      description: { type: "none", webrtc: false },
    });
    const offered = parseSdp(description?.type === "offer" ? description.sdp : "");
    expect(offered).toMatchObject({ codecs: ["PCMU", "PCMA"], direction: "sendrecv", events: 101 });
    const answer = formatSdp({
      host: "127.0.0.1",
      port: rtp.port,
      codecs: ["PCMA"],
      events: 101,
      version: 1,
      session: 1,
    });
    // An ACK may carry the answer under the same revision.
    expect(
      await media.put("ng.none", {
        revision: 1,
        group,
        member,
        description: { type: "answer", sdp: answer },
      }),
    ).toEqual({});
    const bob = await joinPhone(media, group, "bob");
    void bob.rtp.play(toneSource(1_000));
    rtp.direct({ host: offered.host, port: offered.port, codec: "PCMA", events: 101 });
    await rtp.heard.atLeast(200);
    rtp.close();
    await media.remove("ng.none");
    await bob.leave();
  });

  it("refuses a description without a common codec, and says so for the Warning header", async () => {
    const sdp =
      "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 18\r\n";
    await expect(media.put("ng.codec", request("ng-codec", { type: "offer", sdp }))).rejects.toEqual(
      refusal("SDP_NOT_ACCEPTABLE", { warning: '305 127.0.0.1 "Incompatible media format"' }),
    );
    expect((await media.snapshot("ng-codec")).participants).toEqual([]);
  });

  it.each([
    "",
    "hello",
    "v=0\r\nm=audio",
    "v=0\r\nm=audio 99999 RTP/AVP 0\r\nc=IN IP4 127.0.0.1\r\n",
    "v=0\r\nm=audio 4000 RTP/AVP 0\r\n",
  ])("refuses %j as no session description", async (sdp) => {
    await expect(media.put("ng.bad", request("ng-bad", { type: "offer", sdp }))).rejects.toEqual(
      refusal("SDP_INVALID"),
    );
  });

  it("stays as it was when a further offer is refused", async () => {
    const group = fullDuplex("ng-stays");
    const [alice, bob] = await Promise.all([
      joinPhone(media, group, "alice"),
      joinPhone(media, group, "bob"),
    ]);
    const bad: LegRequest = {
      ...request("ng-stays", { type: "offer", sdp: "nonsense" }, 9),
      group,
      member: alice.member,
    };
    await expect(media.put(alice.leg, bad)).rejects.toEqual(refusal("SDP_INVALID"));
    void alice.rtp.play(toneSource(1_000));
    await bob.rtp.heard.atLeast(200);
    await Promise.all([alice, bob].map((phone) => phone.leave()));
  });

  it("is sent nothing and heard by nobody on hold, and talks again afterwards", async () => {
    const group = fullDuplex("ng-hold");
    const [alice, bob] = await Promise.all([
      joinPhone(media, group, "alice"),
      joinPhone(media, group, "bob"),
    ]);
    void alice.rtp.play(toneSource(700));
    void bob.rtp.play(toneSource(1_300));
    await Promise.all([alice.rtp.heard.atLeast(200), bob.rtp.heard.atLeast(200)]);
    expect(await alice.offer("inactive")).toContain("a=inactive");
    const from = Date.now() + 100;
    await wait(900);
    expect(alice.rtp.heard.since(from)).toHaveLength(0);
    expect(isSilent(bob.rtp.heard.since(from + 300), 8_000)).toBe(true);
    expect(await alice.offer("sendrecv")).toContain("a=sendrecv");
    const resumed = Date.now();
    await Promise.all([alice.rtp.heard.atLeast(200, resumed), bob.rtp.heard.atLeast(200, resumed)]);
    await Promise.all([alice, bob].map((phone) => phone.leave()));
  });

  it("leaves nothing behind: unknown legs and groups are answered, and ports come back to rest", async () => {
    await expect(media.remove("ng.nobody")).resolves.toEqual({});
    await expect(media.snapshot("ng-nobody")).resolves.toMatchObject({
      participants: [],
      floor: { state: "idle" },
    });
    await expect(media.put("ng.shape", { revision: "x" } as unknown as LegRequest)).rejects.toMatchObject({
      code: "RPC_REFUSED",
    });
  });
});

describe("a media process", () => {
  it("answers PORTS_EXHAUSTED when every port is taken or rests", async () => {
    const port = 47_000 + 2 * Math.floor(Math.random() * 1_000);
    const small = await startMediaFixture({
      CROSSBAND_RTP_PORTS: `${port}-${port + 15}`,
      CROSSBAND_LOG: "silent",
    });
    const outcomes: string[] = [];
    for (let i = 0; i < 12; i++) {
      const put = small.put(`small.${i}`, request("small", offer()));
      outcomes.push(
        await put.then(
          () => "open",
          (error: unknown) => (error as { context: { code: string } }).context.code,
        ),
      );
    }
    expect(new Set(outcomes)).toEqual(new Set(["open", "PORTS_EXHAUSTED"]));
    // A port that was just closed rests before another call may have it.
    await small.remove("small.0");
    await expect(small.put("small.new", request("small", offer()))).rejects.toEqual(
      refusal("PORTS_EXHAUSTED"),
    );
    expect((await small.snapshot("small")).participants).toHaveLength(
      outcomes.filter((outcome) => outcome === "open").length - 1,
    );
    await small.close();
  });

  it("publishes who is in a group and who holds the floor, and mirrors it in Redis", async () => {
    const group = halfDuplex("ng-events");
    const events = await media.events(group.id);
    const alice = await joinPhone(media, group, "alice");
    await media.digit(alice.leg, "*");
    await expect.poll(() => events.map(({ type }) => type)).toEqual(["participants", "floor"]);
    const mirrored = async () =>
      JSON.parse((await media.redis.get(groupSnapshotKey(group.id))) ?? "{}") as unknown;
    await expect.poll(mirrored).toEqual(await media.snapshot(group.id));
    await alice.leave();
    await expect.poll(() => events.at(-1)).toMatchObject({ type: "participants", participants: [] });
  });
});
