import { z } from "zod";

const id = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, "must be 1 to 63 of a-z 0-9 . _ - and start with a letter or digit");
const e164 = z.string().regex(/^\+[1-9]\d{1,14}$/, "must be an E.164 number such as +15551230001");
const prefix = z
  .string()
  .regex(/^\+\d{0,15}$/, "must be the beginning of an E.164 number such as +1555, or + for every number");
const digits = z.string().regex(/^\d{1,6}$/, "must be 1 to 6 digits, in quotes");
const peer = z
  .string()
  .regex(
    /^(\[[0-9a-fA-F:]+\]|[^\s:;/[\]]+)(:\d{1,5})?(;transport=(udp|tcp|tls))?$/,
    "must be host:port, perhaps followed by ;transport=tcp or ;transport=tls",
  );
const source = z
  .string()
  .regex(
    /^([0-9a-fA-F.:]+(\/\d{1,3})?|[a-zA-Z0-9.-]+)$/,
    "must be an address, a network such as 192.0.2.0/24, or a DNS name",
  );
const credential = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[^\r\n\0"\\]*$/, "must not hold quotes, backslashes or line breaks");

/** Numbers that lead from a trunk into the domain: one, all that begin alike, or a range of equally long ones. */
const inboundSchema = z
  .strictObject({
    did: e164.optional(),
    prefix: prefix.optional(),
    from: e164.optional(),
    until: e164.optional(),
    /** A talk group or a user. */
    to: id,
  })
  .superRefine(({ did, prefix: beginning, from, until }, context) => {
    const kinds = [did, beginning, from ?? until].filter((value) => value !== undefined);
    if (kinds.length !== 1 || (from === undefined) !== (until === undefined))
      context.addIssue({ code: "custom", message: "must have either did, or prefix, or from and until" });
    else if (from !== undefined && until !== undefined && (from.length !== until.length || from > until))
      context.addIssue({
        code: "custom",
        path: ["until"],
        message: `must be as long as from, and not below it: ${until}`,
      });
  });

export const trunkSchema = z.strictObject({
  id,
  /** False: no registration, no health checks, no calls either way. */
  enabled: z.boolean().default(true),
  /** Where its calls go and come from, best first. A name without a port is looked up by SRV. */
  peers: z.array(peer).min(1).max(16),
  /** Further addresses that its calls come from. */
  hosts: z.array(source).max(64).default([]),
  /** Our account at the carrier; with it calls from any address may prove to be the carrier's. */
  username: credential.optional(),
  password: credential.optional(),
  /** Whether to register with each peer; default: when there is an account. */
  register: z.boolean().optional(),
  registerSeconds: z.number().int().min(30).max(86_400).default(600),
  /** SIP domain in addresses towards the carrier; default: the peer's host. */
  domain: z
    .string()
    .regex(/^[a-zA-Z0-9.-]{1,253}$/)
    .optional(),
  /** How often each peer is asked with OPTIONS; 0 for never: it then counts as up. */
  optionsSeconds: z.number().int().min(0).max(3_600).default(30),
  /** Country of national numbers, without +. */
  countryCode: digits.optional(),
  /** What is dialled before a national number, and before a foreign one. */
  nationalPrefix: digits.optional(),
  internationalPrefix: digits.optional(),
  /** How numbers are written to the carrier: +15551230001, 15551230001, or as dialled within the country. */
  numberFormat: z.enum(["e164", "digits", "national"]).default("e164"),
  inbound: z.array(inboundSchema).default([]),
  /** Numbers that this trunk takes. Of several trunks the longest prefix, then the lowest order comes first. */
  outbound: z
    .array(z.strictObject({ prefix, order: z.number().int().min(0).max(1_000).default(100) }))
    .default([]),
  /** Users and agencies who may call out through it; "*" for everybody. Nobody unless named. */
  allow: z.array(z.union([id, z.literal("*")])).default([]),
  /** Number shown for users that have none of their own. */
  callerId: e164.optional(),
  /** Calls at once, both ways; without it there is no limit. */
  maxCalls: z.number().int().min(1).max(100_000).optional(),
  /** New calls in any one second, both ways. */
  maxCallsPerSecond: z.number().int().min(1).max(10_000).optional(),
  /** SIP messages in any one second that are read from each of its addresses, in place of `sip.limits.messagesPerSecond`. */
  maxMessagesPerSecond: z.number().int().min(10).max(1_000_000).default(20_000),
  /** What a call from the carrier is told beyond them. */
  whenFull: z.union([z.literal(503), z.literal(486)]).default(503),
  /** Answers of a peer after which the next one is tried; silence and unreachable always are. */
  failoverOn: z
    .array(z.union([z.enum(["4xx", "5xx", "6xx"]), z.number().int().min(400).max(699)]))
    .default(["5xx"]),
  /** How long a peer may say nothing to an INVITE before the next one is tried. */
  firstResponseMs: z.number().int().min(500).max(32_000).default(4_000),
  /** Whether audio between a telephone and the carrier goes through the media tier. */
  media: z.enum(["direct", "anchored"]).default("direct"),
});

export type Trunk = z.infer<typeof trunkSchema>;
export type InboundNumber = Trunk["inbound"][number];

export interface TrunkProblem {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** What no single field of a trunk can tell; names of users and groups are checked by those who have them. */
export function trunkProblems(trunk: Trunk): TrunkProblem[] {
  const problems: TrunkProblem[] = [];
  const account = trunk.username !== undefined && trunk.password !== undefined;
  if (!account && (trunk.username ?? trunk.password) !== undefined)
    problems.push({
      path: [trunk.username === undefined ? "username" : "password"],
      message: "is missing: an account has a username and a password",
    });
  if (trunk.register === true && !account)
    problems.push({ path: ["register"], message: "needs username and password" });
  if (trunk.numberFormat === "national" && trunk.countryCode === undefined)
    problems.push({ path: ["numberFormat"], message: "national needs countryCode" });
  if (trunk.nationalPrefix !== undefined && trunk.countryCode === undefined)
    problems.push({ path: ["nationalPrefix"], message: "needs countryCode" });
  if (trunk.outbound.length > 0 && trunk.allow.length === 0)
    problems.push({ path: ["allow"], message: 'names nobody who may call out; "*" admits everybody' });
  return problems;
}

/** Whether we register with its peers. */
export const registers = ({ register, username, password }: Trunk): boolean =>
  register ?? (username !== undefined && password !== undefined);
