import { buildResponse } from "#signaling/edge/message/build.ts";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import { openUdpPhone, type UdpPhone } from "#signaling/edge/testing/udp-phone.ts";
import { answerChallenge, parseChallenge } from "#test/peers/sip-phone/digest.ts";

const DOMAIN = "crossband.test";

export interface ScriptedRequest {
  readonly method: string;
  readonly seq: number;
  /** Without one it follows from method and CSeq. */
  readonly branch?: string;
  /** User that the call is for, when no dialog says more. */
  readonly to?: string;
  readonly callId?: string;
  readonly headers?: string;
  readonly body?: string;
}

/** One side of a dialog, as far as a request in it needs it. */
export interface ScriptedDialog {
  readonly callId: string;
  readonly uri: string;
  readonly from: string;
  readonly to: string;
}

/** A registered telephone that does only what it is told: each response, each retransmission and each race is the test's own. */
export interface ScriptedPhone extends UdpPhone {
  /** Sends a request outside a dialog, or in one. */
  say(request: ScriptedRequest, dialog?: ScriptedDialog): void;
  /** Takes back the registration and closes. */
  leave(): Promise<void>;
  /** Answers a request; a response above 100 has this phone's tag. */
  answer(
    request: SipMessage,
    status: number,
    options?: { headers?: string; body?: string; tag?: string },
  ): void;
}

/** Opens one and registers it. */
export async function openScriptedPhone(
  server: string,
  user: string,
  password: string,
): Promise<ScriptedPhone> {
  const colon = server.lastIndexOf(":");
  const to = Number(server.slice(colon + 1));
  // It has the address of the server: all of a test are on one machine.
  const host = server.slice(0, colon);
  const phone = await openUdpPhone(undefined, host.replace(/[[\]]/g, ""));
  const contact = `<sip:${user}@${host}:${phone.port}>`;

  const write = (
    { method, seq, branch, headers = "", body = "", callId, to: callee = user }: ScriptedRequest,
    dialog?: ScriptedDialog,
  ) => {
    const at = dialog ?? {
      callId: callId ?? `${phone.name}-call`,
      uri: method === "REGISTER" ? `sip:${DOMAIN}` : `sip:${callee}@${DOMAIN}`,
      from: `<sip:${user}@${DOMAIN}>;tag=${phone.name}`,
      to: `<sip:${callee}@${DOMAIN}>`,
    };
    const type = body === "" ? "" : "Content-Type: application/sdp\r\n";
    return (
      `${method} ${at.uri} SIP/2.0\r\nVia: SIP/2.0/UDP ${host}:${phone.port};branch=z9hG4bK${branch ?? `${phone.name}${method}${seq}`};rport\r\n` +
      `Max-Forwards: 70\r\nFrom: ${at.from}\r\nTo: ${at.to}\r\nCall-ID: ${at.callId}\r\nCSeq: ${seq} ${method}\r\n` +
      `Contact: ${contact}\r\n${type}${headers}Content-Length: ${body.length}\r\n\r\n${body}`
    );
  };
  const say = (request: ScriptedRequest, dialog?: ScriptedDialog): void => {
    phone.send(to, write(request, dialog));
  };

  say({ method: "REGISTER", seq: 1, callId: `${phone.name}-reg` });
  const challenge = parseChallenge((await phone.next(401)).headers("www-authenticate")[0] ?? "");
  if (!challenge) throw new Error("no challenge that this phone knows");
  const register = async (count: number, expires: number): Promise<void> => {
    const request = { method: "REGISTER", uri: `sip:${DOMAIN}`, count };
    const authorization = answerChallenge(challenge, { user, password }, request);
    const headers = `Expires: ${expires}\r\nAuthorization: ${authorization}\r\n`;
    say({ method: "REGISTER", seq: 1 + count, callId: `${phone.name}-reg`, headers });
    await phone.next(({ cseq, status }) => status === 200 && cseq.method === "REGISTER");
  };
  await register(1, 300);

  return {
    ...phone,
    say,
    async leave() {
      await register(2, 0);
      phone.close();
    },
    answer(request, status, { headers = "", body, tag = phone.name } = {}) {
      const given = headers.split("\r\n").filter((line) => line !== "");
      const text = buildResponse(request, {
        status,
        toTag: status === 100 ? undefined : tag,
        headers: [
          ...(status > 100 ? ([["Contact", contact]] as const) : []),
          ...given.map(
            (line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)] as const,
          ),
        ],
        ...(body === undefined ? {} : { body, contentType: "application/sdp" }),
      });
      phone.send(to, text);
    },
  };
}

/** The caller's side of a dialog, from a response to its INVITE. */
export const dialogOfCaller = (response: SipMessage): ScriptedDialog => ({
  callId: response.callId,
  uri: response.contacts[0]?.uriText ?? "",
  from: response.header("from") ?? "",
  to: response.header("to") ?? "",
});

/** The callee's side, from the INVITE that it got; `tag` is its own. */
export const dialogOfCallee = (invite: SipMessage, tag: string): ScriptedDialog => ({
  callId: invite.callId,
  uri: invite.contacts[0]?.uriText ?? "",
  from: `${invite.header("to") ?? ""};tag=${tag}`,
  to: invite.header("from") ?? "",
});
