import { token } from "#test/peers/sip-phone/sip-endpoint.ts";
import type { Phone } from "#test/peers/sip-phone/phone.ts";
import { Lost, type Milestones } from "./milestones.ts";
import { PATIENCE_MS } from "./script.ts";

/** Refreshes a registration: CSeq 1 is challenged, CSeq 2 has the credentials. */
export async function register(phone: Phone, callId: string, milestones: Milestones): Promise<void> {
  const tag = token();
  let sequence = 0;
  milestones.reach("register-sent");
  const response = await phone
    .requestWithDigest(
      () => ({
        method: "REGISTER",
        uri: `sip:${phone.options.domain}`,
        headers: [
          ["From", `${phone.nameAddr};tag=${tag}`],
          ["To", phone.nameAddr],
          ["Call-ID", callId],
          ["CSeq", `${++sequence} REGISTER`],
          ["Contact", phone.registeredContact],
          ["Expires", "3600"],
        ],
        body: "",
      }),
      { to: phone.server, deadlineMs: PATIENCE_MS },
    )
    .catch((error: unknown) => {
      throw new Lost(error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error));
    });
  if (response.status !== 200) throw new Lost(`REGISTER was answered ${response.status} ${response.reason}`);
  milestones.reach("registered");
}
