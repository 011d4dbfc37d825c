import { defineScript, type ScriptClient } from "#state/redis/script.ts";
import { bindingsOf, type Binding, type Contact } from "./binding.ts";
import { bindingsKey } from "./registration.keys.ts";

/** Bindings that one user may have; a new one beyond it replaces the one that ends first. */
export const MAX_BINDINGS = 10;

/** One contact of a REGISTER; `seconds` 0 removes it. */
export interface Change {
  readonly key: string;
  readonly seconds: number;
  readonly contact: Contact;
}

export interface Registration {
  readonly user: string;
  /** With `cseq` it keeps a late REGISTER from undoing a newer one (RFC 3261 §10.3 item 7); holds no space. */
  readonly callId: string;
  readonly cseq: number;
  /** `"all"` removes every binding (Contact: *); an empty list only reads. */
  readonly changes: readonly Change[] | "all";
}

export type RegisterOutcome =
  { readonly outcome: "bound"; readonly bindings: readonly Binding[] } | { readonly outcome: "out-of-order" };

const script = defineScript({
  source: new URL("./register.lua", import.meta.url),
  keys: ["bindings"],
  args: ["callId", "cseq", "wildcard", "max", "changes"],
  reply(raw): RegisterOutcome {
    const reply = raw as [word: string, ...rest: string[]];
    switch (reply[0]) {
      case "bound":
        return { outcome: "bound", bindings: bindingsOf(reply) };
      case "out-of-order":
        return { outcome: "out-of-order" };
      default:
        throw new Error(`register.lua: unknown outcome ${reply[0]}`);
    }
  },
});

/** Applies one REGISTER. The same one twice (a retransmission) gives the same answer. */
export const register = (
  redis: ScriptClient,
  { user, callId, cseq, changes }: Registration,
): Promise<RegisterOutcome> =>
  script(
    redis,
    { bindings: bindingsKey(user) },
    {
      callId,
      cseq,
      wildcard: changes === "all" ? 1 : 0,
      max: MAX_BINDINGS,
      changes: JSON.stringify(
        changes === "all"
          ? []
          : changes.flatMap(({ key, seconds, contact }) => [key, seconds, JSON.stringify(contact)]),
      ),
    },
  );
