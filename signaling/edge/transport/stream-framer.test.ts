import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createStreamFramer } from "./stream-framer.codec.ts";

const message = (body: string) => `MESSAGE sip:a@b SIP/2.0\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
const texts = (items: ReturnType<ReturnType<typeof createStreamFramer>["push"]>) =>
  items.map((item) => (item.kind === "message" ? item.text : item.kind));

describe("stream framer", () => {
  it("cuts messages and keepalives alike however the stream is split", () => {
    const stream = `${message("one")}\r\n\r\n${message("")}\r\n${message("t\r\n\r\nwo")}`;
    const expected = [message("one"), "ping", message(""), message("t\r\n\r\nwo")];
    fc.assert(
      fc.property(fc.array(fc.nat(stream.length), { maxLength: 30 }), (cuts) => {
        const framer = createStreamFramer(65_535);
        const edges = [0, ...cuts.sort((a, b) => a - b), stream.length];
        const items = edges.slice(1).flatMap((to, i) => framer.push(stream.slice(edges[i], to)));
        expect(texts(items)).toEqual(expected);
        expect(framer.held).toBe(0);
      }),
    );
  });

  it.each([
    ["no Content-Length", "OPTIONS sip:a SIP/2.0\r\nVia: x\r\n\r\n", 400],
    ["a negative Content-Length", "OPTIONS sip:a SIP/2.0\r\nl: -1\r\n\r\n", 400],
    ["two that differ", "OPTIONS sip:a SIP/2.0\r\nl: 1\r\nContent-Length: 2\r\n\r\n", 400],
    ["a body beyond the limit", "OPTIONS sip:a SIP/2.0\r\nl: 5000\r\n\r\n", 513],
  ])("gives up on a stream with %s", (_, text, status) => {
    const framer = createStreamFramer(4_096);
    expect(framer.push(text + message("x"))).toEqual([expect.objectContaining({ kind: "broken", status })]);
    expect(framer.push(message("y"))).toEqual([]);
  });

  it("gives up on headers that never end", () => {
    const framer = createStreamFramer(4_096);
    const items = Array.from({ length: 200 }, () => framer.push("X-Pad: aaaaaaaaaaaaaaaaaaaaaaa\r\n")).flat();
    expect(items).toEqual([expect.objectContaining({ kind: "broken", status: 513 })]);
  });
});
