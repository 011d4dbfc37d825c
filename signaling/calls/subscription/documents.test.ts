import { describe, expect, it } from "vitest";
import type { GroupSnapshot } from "#common/media-control.ts";
import { conferenceDocument, MAX_LISTED } from "./conference-document.ts";
import { dialogDocument } from "./dialog-document.ts";
import { fingerprint, packageOf } from "./event-package.ts";
import { presenceDocument, readPresence } from "./presence-document.ts";
import { regDocument } from "./reg-document.ts";
import { escapeXml } from "./xml.ts";

const binding = (uri: string, expiresAtMs: number) => ({
  uri, key: uri, q: 1_000, flow: { transport: "udp" as const, host: "192.0.2.7", port: 5_060 }, expiresAtMs, callId: "c1", expiresInS: 60,
}); // prettier-ignore

describe("XML that we write", () => {
  it("holds no character that means something, nor one that is none", () => {
    expect(escapeXml(`<a b="c">&'\u0001é😀`)).toBe("&#60;a b=&#34;c&#34;&#62;&#38;&#39;&#233;&#128512;");
  });
});

describe("event packages", () => {
  it("are named without regard to case and parameters", () => {
    expect(packageOf("Presence ;id=4")).toBe("presence");
    expect(packageOf("presence.winfo")).toBeUndefined();
    expect(packageOf(undefined)).toBeUndefined();
  });
});

describe("the conference document (RFC 4575)", () => {
  const snapshot = (count: number): GroupSnapshot => ({
    group: "g", floor: { state: "taken", seq: 1, leg: "leg-149", holder: { id: "u149", name: "U", kind: "radio", priority: 1 }, sinceMs: 1 }, talking: [],
    participants: Array.from({ length: count }, (_, i) => ({ id: `u${i}`, name: `U ${i}`, kind: "phone", priority: 1, leg: `leg-${i}`, camera: false })),
  }); // prettier-ignore

  it("lists so many and no more, who talks first, and counts all", () => {
    const body = conferenceDocument({ id: "g", name: "G" }, snapshot(150), "x").write(3);
    expect(body).toContain("<user-count>150</user-count>");
    expect(body.match(/<user entity/g)).toHaveLength(MAX_LISTED);
    expect(body).toContain("sip:u149@x");
    expect(body.length).toBeLessThan(60_000);
  });

  it("differs when somebody talks, not by its version", () => {
    const [idle, taken] = [{ ...snapshot(150), floor: { state: "idle", seq: 2 } as const }, snapshot(150)];
    const of = (one: GroupSnapshot) => fingerprint(conferenceDocument({ id: "g", name: "G" }, one, "x"));
    expect(of(idle)).not.toBe(of(taken));
    expect(of(taken)).toBe(of(snapshot(150)));
  });
});

describe("the dialog document (RFC 4235)", () => {
  const dialog = { user: "bob", leg: "00abc.1", direction: "recipient", state: "early", remote: { uri: "sip:a@x", name: "A <1>" } } as const; // prettier-ignore

  it("names a dialog in SIP for those alone who may take it over", () => {
    expect(dialogDocument("sip:bob@x", [dialog]).write(0)).not.toContain("00abc.1");
    const named = dialogDocument("sip:bob@x", [
      { ...dialog, names: { callId: "c&1", localTag: "lt" } },
    ]).write(0);
    expect(named).toContain('call-id="c&#38;1" local-tag="lt" remote-tag="00abc.1"');
    expect(named).toContain('display="A &#60;1&#62;"');
  });
});

describe("the registration document (RFC 3680)", () => {
  it("says when a contact ends by itself, and is the same however contacts are ordered", () => {
    const [a, b] = [binding("sip:a@x", 5_000), binding("sip:b@x", 4_000)];
    expect(regDocument("sip:u@x", [a, b]).nextAtMs).toBe(4_000);
    expect(fingerprint(regDocument("sip:u@x", [a, b]))).toBe(fingerprint(regDocument("sip:u@x", [b, a])));
    expect(regDocument("sip:u@x", []).nextAtMs).toBeUndefined();
  });
});

describe("presence (RFC 3863, RFC 4480)", () => {
  const pidf = (inside: string) => `<?xml version="1.0"?><presence xmlns="urn:ietf:params:xml:ns:pidf"><tuple id="1">${inside}</tuple></presence>`; // prettier-ignore

  it.each([
    ["open", pidf("<status><basic>open</basic></status>"), { basic: "open" }],
    ["a note", pidf('<status><basic>closed</basic></status><note xml:lang="en"> out &amp; about </note>'), { basic: "closed", note: "out & about" }],
    ["an activity", pidf("<status><basic>open</basic></status><rpid:activities><rpid:on-the-phone/></rpid:activities>"), { basic: "open", activity: "on-the-phone" }],
    ["prefixes", '<p:presence xmlns:p="urn"><p:tuple><p:status><p:basic>open</p:basic></p:status></p:tuple></p:presence>', { basic: "open" }],
    ["nothing", pidf(""), undefined],
    ["no PIDF", "<basic>open</basic>", undefined],
    ["too much", pidf(`<basic>open</basic>${" ".repeat(9_000)}`), undefined],
  ])("reads %s", (_title, document, expected) => {
    expect(readPresence(document)).toEqual(expected);
  }); // prettier-ignore

  it("passes nothing on of a document but what it read", () => {
    const state = readPresence(pidf("<basic>open</basic><note>x</note><script>evil</script>"));
    const body = presenceDocument("sip:u@x", [], [{ tag: "t", endsAtMs: 9_000, state }]).write(0);
    expect(body).not.toContain("script");
    expect(body).toContain("<basic>closed</basic>");
    expect(body).toContain(
      '<tuple id="published-1"><status><basic>open</basic></status><note>x</note></tuple>',
    );
  });
});
