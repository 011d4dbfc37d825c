import { expect, it } from "vitest";
import { upgradeHead } from "./upgrade-head.ts";

it("keeps what the WebSocket handshake needs and says whose connection it is", () => {
  const rawHeaders = ["Host", "console.example", "Upgrade", "websocket", "Sec-WebSocket-Key", "a2V5"];
  expect(upgradeHead({ rawHeaders }, "198.51.100.7")).toBe(
    "GET /sip HTTP/1.1\r\nHost: console.example\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a2V5\r\n" +
      "X-Forwarded-For: 198.51.100.7\r\n\r\n",
  );
});

it.each(["X-Forwarded-For", "forwarded", "COOKIE", "Authorization"])("does not pass %s on", (name) => {
  expect(upgradeHead({ rawHeaders: [name, "claimed"] }, "198.51.100.7")).not.toContain("claimed");
});
