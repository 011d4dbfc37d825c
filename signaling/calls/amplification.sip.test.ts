import { once } from "node:events";
import { createSocket } from "node:dgram";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startTestCalls, type TestCalls } from "./testing/start-calls.ts";

let calls: TestCalls;
const socket = createSocket("udp4").bind(0, "127.0.0.1");

beforeAll(async () => {
  calls = await startTestCalls();
});
afterAll(async () => {
  socket.close();
  await calls.close();
});

/** As short as a request may be that is answered. */
const shortest = (method: string, uri: string) =>
  `${method} ${uri} SIP/2.0\r\nv:SIP/2.0/UDP h;branch=z9hG4bK${method};rport\r\nf:<sip:alice@crossband.test>;tag=1\r\nt:<sip:alice@crossband.test>\r\n` +
  `i:${method}\r\nCSeq:1 ${method}\r\nm:<sip:a@h>\r\nMax-Forwards:9\r\nl:0\r\n\r\n`;

async function ask(text: string): Promise<string> {
  const port = Number(calls.server.split(":")[1]);
  const answered = once(socket, "message");
  socket.send(Buffer.from(text, "latin1"), port, "127.0.0.1");
  return String(((await answered) as [Buffer])[0]);
}

describe("what an address gets that somebody else wrote on a packet", () => {
  it.each([
    ["OPTIONS", "sip:crossband.test", 200],
    ["REGISTER", "sip:crossband.test", 401],
    ["INVITE", "sip:bob@crossband.test", 407],
    ["MESSAGE", "sip:bob@crossband.test", 407],
    ["SUBSCRIBE", "sip:bob@crossband.test", 407],
    ["FLOOD", "sip:crossband.test", 405],
    ["INVITE", "http://crossband.test", 416],
  ])("%s %s → %i, at most four times as long as the request", async (method, uri, status) => {
    const request = shortest(method, uri);
    const answer = await ask(request);
    expect(answer).toMatch(new RegExp(`^SIP/2.0 ${status} `));
    expect(answer.length / request.length).toBeLessThan(4);
  });

  it("is one challenge to an INVITE, not repeated, of which nothing is kept (RFC 3261 §26.3.2.4)", async () => {
    await ask(shortest("INVITE", "sip:bob@crossband.test"));
    // The health of trunks has records of its own.
    const records = (await calls.redis.keys("*:call:*")).filter((key) => !key.includes("trunk"));
    expect(records).toEqual([]);
  });
});
