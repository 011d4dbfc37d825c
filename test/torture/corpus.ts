import { readdirSync, readFileSync } from "node:fs";
import { loadSipFixture } from "#test/fixtures/sip/load-sip-fixture.ts";

const FIXTURES = new URL("../fixtures/sip/rfc4475/", import.meta.url);
const SCENARIOS = new URL("../../sipp-scenarios/", import.meta.url);

/** What SIPp would fill in. */
const FILLED: readonly (readonly [RegExp, string])[] = [
  [/\[(?:transport)\]/g, "UDP"],
  [/\[(?:local_ip|media_ip)\]/g, "127.0.0.1"],
  [/\[(?:local_ip_type|media_ip_type)\]/g, "4"],
  [/\[(?:local_port|media_port)\]/g, "5060"],
  [/\[branch[^\]]*\]/g, "z9hG4bKcorpus"],
  [/\[(?:service|user|domain|key [^\]]*)\]/g, "fire-1"],
  [/\[(?:call_id|pid|call_number)\]/g, "42"],
  [/\[peer_tag_param\]/g, ";tag=peer"],
];

/**
 * The messages that mutation starts from: those of RFC 4475, those that our SIPp stories send, and a plain call. Their hosts
 * are the loopback, so that nothing answers to where a mutated message points.
 */
export function loadCorpus(): string[] {
  const torture = readdirSync(FIXTURES)
    .filter((name) => name.endsWith(".sip"))
    .map((name) => loadSipFixture(`rfc4475/${name.slice(0, -4)}`));
  const stories = readdirSync(SCENARIOS)
    .filter((name) => name.endsWith(".xml"))
    .flatMap((name) => messagesOf(readFileSync(new URL(name, SCENARIOS), "utf8")));
  return [...torture, ...stories, ...PLAIN].map(towardsLoopback);
}

function messagesOf(xml: string): string[] {
  return [...xml.matchAll(/<send[^>]*>\s*<!\[CDATA\[(.*?)\]\]>/gs)].map(([, text = ""]) => {
    const lines = text.replace(/^\n+/, "").split("\n").map((line) => line.trim()); // prettier-ignore
    let message = lines.join("\r\n").trimStart();
    for (const [placeholder, value] of FILLED) message = message.replace(placeholder, value);
    message = message.replace(/\r\n\[[^\]]*\](?=\r\n)/g, "").replace(/\[(?!len\])[^\]]*\]/g, "x");
    const bodyAt = message.indexOf("\r\n\r\n") + 4;
    return message.replace("[len]", String(message.length - bodyAt));
  });
}

/** Only Via, Contact, Route and Record-Route say where something is sent. */
function towardsLoopback(text: string): string {
  return text
    .replace(/^((?:via|v)\s*:\s*SIP\s*\/\s*2\.0\s*\/\s*\S+\s+)[^\s;,:]+/gim, "$1127.0.0.1")
    .replace(/^((?:contact|m|route|record-route)\s*:.*)$/gim, (line) =>
      line.replace(/(sips?:(?:[^@>\s]*@)?)[^;>:\s,?]+/gi, "$1127.0.0.1"),
    );
}

const head = (method: string, cseq: number, to: string): string =>
  `${method} sip:fire-1@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKplain;rport\r\nMax-Forwards: 70\r\n` +
  `From: "A" <sip:alice@crossband.local>;tag=plain\r\nTo: <sip:fire-1@127.0.0.1>${to}\r\nCall-ID: plain@corpus\r\nCSeq: ${cseq} ${method}\r\n` +
  `Contact: <sip:alice@127.0.0.1:5060>\r\n`;
const SDP =
  "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n";
const withBody = (start: string, type: string, body: string): string =>
  `${start}Content-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
const empty = (start: string): string => `${start}Content-Length: 0\r\n\r\n`;

/** A call, and what else may come in one; `{dialog}` becomes the tag of a call that lives. */
const PLAIN: readonly string[] = [
  withBody(head("INVITE", 1, ""), "application/sdp", SDP),
  empty(head("ACK", 1, ";tag={dialog}")),
  withBody(head("INVITE", 2, ";tag={dialog}"), "application/sdp", SDP),
  withBody(head("UPDATE", 3, ";tag={dialog}"), "application/sdp", SDP),
  withBody(head("INFO", 4, ";tag={dialog}"), "application/dtmf-relay", "Signal=5\r\nDuration=160\r\n"),
  withBody(head("MESSAGE", 5, ";tag={dialog}"), "text/plain", "hello"),
  empty(`${head("PRACK", 6, ";tag={dialog}")}RAck: 1 1 INVITE\r\n`),
  empty(`${head("REFER", 7, ";tag={dialog}")}Refer-To: <sip:bob@127.0.0.1>\r\n`),
  withBody(`${head("NOTIFY", 8, ";tag={dialog}")}Event: refer\r\nSubscription-State: active;expires=60\r\n`, "message/sipfrag", "SIP/2.0 200 OK\r\n"),
  empty(`${head("SUBSCRIBE", 9, "")}Event: presence\r\nExpires: 60\r\n`),
  empty(`${head("REGISTER", 1, "")}Expires: 60\r\nAuthorization: Digest username="alice", realm="crossband.local", nonce="1", uri="sip:x", response="0"\r\n`),
  empty(head("OPTIONS", 1, "")),
  empty(head("CANCEL", 1, "")),
  empty(head("BYE", 10, ";tag={dialog}")),
  empty(`SIP/2.0 180 Ringing\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK{dialog}-1\r\nFrom: <sip:a@x>;tag={dialog}\r\nTo: <sip:b@x>;tag=1\r\nCall-ID: {dialog}\r\nCSeq: 1 INVITE\r\nRequire: 100rel\r\nRSeq: 1\r\n`),
  withBody("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK{dialog}-1\r\nFrom: <sip:a@x>;tag={dialog}\r\nTo: <sip:b@x>;tag=1\r\nCall-ID: {dialog}\r\nCSeq: 1 INVITE\r\nContact: <sip:b@127.0.0.1>\r\n", "application/sdp", SDP),
]; // prettier-ignore
