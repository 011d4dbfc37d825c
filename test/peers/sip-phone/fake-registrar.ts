import { createHash, randomBytes } from "node:crypto";
import { SipEndpoint } from "./sip-endpoint.ts";
import { parameterOf, requiredValue, valueOf } from "./sip-text.ts";
import { openUdp } from "./sip-transport.ts";

/** A registrar of a dozen lines, so that the phone's own tests need no server of ours. It takes one user and password. */
export async function openFakeRegistrar(
  user: string,
  password: string,
  algorithms: readonly ("MD5" | "SHA-256")[] = ["MD5"],
) {
  const seen: { method: string; authorized: boolean }[] = [];
  const nonce = randomBytes(8).toString("hex");
  const transport = await openUdp("127.0.0.1", (text) => {
    endpoint.receive(text);
  });
  const endpoint = new SipEndpoint(transport, { host: "127.0.0.1", port: 9 });
  endpoint.onRequest = (request) => {
    const authorization = valueOf(request, "authorization") ?? "";
    const field = (name: string) =>
      parameterOf(authorization.replace(/,/g, ";").replace(/^Digest/, ";"), name) ?? "";
    const hash = (text: string) =>
      createHash(field("algorithm") === "SHA-256" ? "sha256" : "md5")
        .update(text)
        .digest("hex");
    const ha1 = hash(`${user}:test:${password}`);
    const ha2 = hash(`${request.method}:${field("uri")}`);
    const expected = hash(`${ha1}:${nonce}:${field("nc")}:${field("cnonce")}:auth:${ha2}`);
    const authorized = authorization !== "" && field("response") === expected && field("username") === user;
    seen.push({ method: request.method, authorized });
    if (request.method === "ACK") return;
    if (authorized)
      endpoint.respond(request, 200, "OK", [["Contact", `${requiredValue(request, "contact")};expires=77`]]);
    else
      endpoint.respond(
        request,
        401,
        "Unauthorized",
        algorithms.map(
          (algorithm) =>
            [
              "WWW-Authenticate",
              `Digest realm="test", nonce="${nonce}", qop="auth", algorithm=${algorithm}`,
            ] as const,
        ),
      );
  };
  return {
    address: `127.0.0.1:${transport.port}`,
    seen,
    close: () => {
      endpoint.close();
    },
  };
}
