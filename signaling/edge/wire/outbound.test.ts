import { expect, it } from "vitest";
import { parseOutbound } from "./outbound.ts";

it.each([
  ["127.0.0.1:9035", { host: "127.0.0.1", port: 9035, tls: false }],
  ["app.example.net:9035;transport=tls", { host: "app.example.net", port: 9035, tls: true }],
  ["tls://app:9035", { host: "app", port: 9035, tls: true }],
  ["tcp://[::1]:9035", { host: "::1", port: 9035, tls: false }],
  ["app", { host: "app", port: 9021, tls: false }],
  ["sip:app:9035", undefined],
  ["app:0", undefined],
  ["app:99999", undefined],
])("%s is read as an address of an application, or as none", (uri, expected) => {
  expect(parseOutbound(uri)).toEqual(expected);
});
