import { once } from "node:events";
import { X509Certificate, createPrivateKey } from "node:crypto";
import type { AddressInfo } from "node:net";
import { connect, createServer } from "node:tls";
import { describe, expect, it } from "vitest";
import { selfSigned } from "./self-signed.ts";

const now = Date.UTC(2026, 5, 1);
const pair = await selfSigned(
  "crossband.test",
  ["127.0.0.1", "2001:db8::17", "crossband.test", "localhost"],
  now,
);
const certificate = new X509Certificate(pair.certificate);

describe("a self-signed certificate", () => {
  it("is signed by its own key, which comes with it", () => {
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    expect(certificate.checkPrivateKey(createPrivateKey(pair.key))).toBe(true);
  });

  it("stands for the domain, the SIP identity and every name, once", () => {
    expect(certificate.subjectAltName).toBe(
      "URI:sip:crossband.test, DNS:crossband.test, IP Address:127.0.0.1, IP Address:2001:DB8:0:0:0:0:0:17, DNS:localhost",
    );
    expect(certificate.checkHost("crossband.test")).toBe("crossband.test");
    expect(certificate.checkIP("2001:db8::17")).toBe("2001:db8::17");
  });

  it("is valid from a day ago for ten years, and makes no authority of its holder", () => {
    expect(new Date(certificate.validFrom).getTime()).toBe(now - 86_400_000);
    expect(new Date(certificate.validTo).getUTCFullYear()).toBe(2036);
    expect(certificate.ca).toBe(false);
  });

  it("is accepted over TLS by whoever was told to trust it, and by nobody else", async () => {
    const fresh = await selfSigned("crossband.test", [], Date.now());
    const server = createServer({ cert: fresh.certificate, key: fresh.key }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const trusting = connect({
      port,
      host: "127.0.0.1",
      servername: "crossband.test",
      ca: fresh.certificate,
    });
    await once(trusting, "secureConnect");
    expect(trusting.authorized).toBe(true);
    const other = connect({ port, host: "127.0.0.1", servername: "crossband.test" });
    const [error] = (await once(other, "error")) as [NodeJS.ErrnoException];
    expect(error.code).toBe("DEPTH_ZERO_SELF_SIGNED_CERT");
    trusting.destroy();
    server.close();
  });
});
