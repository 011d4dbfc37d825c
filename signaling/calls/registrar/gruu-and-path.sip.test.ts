import { describe, expect, it } from "vitest";
import { statusOf, useTestCalls } from "#signaling/calls/testing/use-calls.ts";
import type { Phone } from "#test/peers/sip-phone/phone.ts";
import { token } from "#test/peers/sip-phone/sip-endpoint.ts";
import { requiredValue, valueOf, valuesOf, type SipResponse } from "#test/peers/sip-phone/sip-text.ts";

const calls = useTestCalls({ ringSeconds: 5 });

let sequence = 0;
/** A REGISTER of the test's own making. */
function register(
  phone: Phone,
  contact: string,
  headers: [string, string][],
  callId = token(),
): Promise<SipResponse> {
  const uri = `sip:${phone.options.domain}`;
  const draft = () => ({
    method: "REGISTER", uri, body: "",
    headers: [
      ["From", `${phone.nameAddr};tag=${token()}`], ["To", phone.nameAddr], ["Call-ID", callId], ["CSeq", `${++sequence} REGISTER`], ["Contact", contact], ["Expires", "60"],
      ...headers,
    ] as const,
  }); // prettier-ignore
  return phone.requestWithDigest(draft, { to: phone.server });
}
const instance = (phone: Phone, id: string) => `${phone.contact};+sip.instance="<urn:uuid:${id}>"`;
const gruuOf = (response: SipResponse, phone: Phone, name: string): string =>
  new RegExp(`;${name}="([^"]+)"`).exec(valuesOf(response, "contact").find((one) => one.startsWith(phone.contact)) ?? "")?.[1] ?? ""; // prettier-ignore
describe("GRUU (RFC 5627)", () => {
  it("is given to a client that knows it, and rings that device alone", async () => {
    const [alice, desk, mobile] = [
      await calls.phone("alice"),
      await calls.phone("bob"),
      await calls.phone("bob"),
    ];
    await alice.register();
    await register(mobile, instance(mobile, "2"), []);
    const response = await register(desk, instance(desk, "1"), [["Supported", "gruu"]]);
    expect(gruuOf(response, desk, "pub-gruu")).toBe("sip:bob@crossband.test;gr=urn:uuid:1");
    for (const name of ["pub-gruu", "temp-gruu"]) {
      const invite = await alice.invite(gruuOf(response, desk, name));
      const call = (await desk.incoming()).answer();
      const ours = await invite.answered;
      await call.confirmed();
      await ours.hangup();
      await call.ended;
    }
    await expect(mobile.incoming(100)).rejects.toThrow("no incoming call");
    expect((await alice.message(gruuOf(response, desk, "pub-gruu"), "to the desk")).status).toBe(200);
    expect((await desk.nextMessage()).text).toBe("to the desk");
  });

  it("is not given to a client that does not know it", async () => {
    const desk = await calls.phone("bob");
    expect(requiredValue(await register(desk, instance(desk, "1"), []), "contact")).not.toContain("gruu");
  });

  it("is void, if temporary, once the device registers anew; nothing answers to one that is made up", async () => {
    const [alice, desk] = [await calls.phone("alice"), await calls.phone("bob")];
    await alice.register();
    const first = await register(desk, instance(desk, "1"), [["Supported", "gruu"]]);
    await register(desk, instance(desk, "1"), [["Supported", "gruu"]]);
    expect(await statusOf((await alice.invite(gruuOf(first, desk, "temp-gruu"))).answered)).toBe(480);
    expect(await statusOf((await alice.invite("sip:tgruu.AAAA@crossband.test;gr")).answered)).toBe(404);
    expect(await statusOf((await alice.invite("sip:bob@crossband.test;gr=urn:uuid:9")).answered)).toBe(480);
  });
});

describe("Path (RFC 3327)", () => {
  it("is kept with the contact, told in the answer, and gone along to it", async () => {
    const [alice, bob] = [await calls.phone("alice"), await calls.phone("bob")];
    await alice.register();
    // The phone is its own proxy: what matters is where the request goes and what Route it carries.
    const { port } = bob.endpoint.transport;
    const path = [`<sip:edge@127.0.0.1:${port};lr>`, "<sip:inner.example;lr>"];
    const response = await register(bob, "<sip:bob@192.0.2.99:5070>", [
      ["Supported", "path"],
      ["Path", path.join(", ")],
    ]);
    expect(response.status).toBe(200);
    expect(response.headers.filter(([name]) => name === "Path").map(([, value]) => value)).toEqual(path);
    const invite = await alice.invite("bob");
    const incoming = await bob.incoming();
    expect(incoming.invite.uri).toBe("sip:bob@192.0.2.99:5070");
    expect(valuesOf(incoming.invite, "route")).toEqual(path);
    incoming.reject(486);
    expect(await statusOf(invite.answered)).toBe(486);
    expect((await alice.message("bob", "hello")).status).toBe(200);
    await register(bob, "<sip:bob@192.0.2.99:5070>;expires=0", []);
  });

  it.each([
    [420, [["Path", "<sip:edge.example;lr>"]]],
    [400, [["Supported", "path"], ["Path", "<sip:edge.example>"]]],
    [400, [["Supported", "path"], ["Path", Array.from({ length: 6 }, (_, i) => `<sip:p${i}.example;lr>`).join(", ")]]],
  ] as [number, [string, string][]][])("is refused with %i when the client does not know it or it is none", async (status, headers) => {
    const bob = await calls.phone("bob");
    const response = await register(bob, bob.contact, headers);
    expect(response.status).toBe(status);
    if (status === 420) expect(valueOf(response, "unsupported")).toBe("path");
  }); // prettier-ignore

  it("makes nobody known by the proxy's address: callers behind it are asked for their password", async () => {
    const bob = await calls.phone("bob");
    const { port } = bob.endpoint.transport;
    await register(bob, bob.contact, [["Supported", "path"], ["Path", `<sip:127.0.0.1:${port};lr>`]]); // prettier-ignore
    const before = bob.challenges.length;
    await bob.message("alice", "x");
    expect(bob.challenges.length).toBe(before + 1);
  });
});
