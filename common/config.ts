import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { z } from "zod";
import { count, field, fieldDocs, hostPort, peers, port, portRange, type FieldDoc } from "./config-field.ts";
import { CrossbandError, ErrorCode } from "./errors.ts";

/** Every setting: default, unit and reason on each field. Values come from `crossband.yaml`, then the environment. */
export const configSchema = z.strictObject({
  home: field(z.string().default(".crossband"), {
    env: "CROSSBAND_HOME",
    reason: "holds ready.json, the embedded Redis and the demo's passwords",
  }),
  host: field(z.string().default("127.0.0.1"), {
    env: "CROSSBAND_HOST",
    reason: "address that SIP, HTTP and RTP listen on; loopback unless told otherwise",
  }),
  instance: field(
    z
      .string()
      .regex(/^[A-Za-z0-9_.-]{1,64}$/)
      .optional(),
    { env: "CROSSBAND_INSTANCE", reason: "name of this process in logs; a random part is added" },
  ),
  region: field(
    z
      .string()
      .regex(/^[a-z0-9-]{1,32}$/)
      .default("local"),
    { env: "CROSSBAND_REGION", reason: "name of this data center" },
  ),
  peers: field(peers.default({}), {
    env: "CROSSBAND_PEERS",
    reason: "Redis of the other regions, name=url,name=url",
  }),
  redisUrl: field(z.string().optional(), {
    env: "REDIS_URL",
    secret: true,
    reason: "state; without it `up` and `edge` start a redis-server of their own",
  }),
  provision: field(z.string().optional(), {
    env: "CROSSBAND_PROVISION",
    reason: "provisioning file that `up` applies at start instead of the demo",
  }),
  sip: z
    .strictObject({
      port: field(port.default(5060), { env: "CROSSBAND_SIP_PORT", reason: "SIP over UDP and TCP" }),
      tlsPort: field(port.default(5061), { env: "CROSSBAND_SIPS_PORT", reason: "SIP over TLS" }),
      tls: z
        .strictObject({
          certificate: field(z.string().optional(), {
            env: "CROSSBAND_TLS_CERTIFICATE",
            reason:
              "PEM file, certificate first, then its chain; read again when it changes. Without it the cluster makes one for itself",
          }),
          key: field(z.string().optional(), {
            env: "CROSSBAND_TLS_KEY",
            reason: "PEM file of that certificate's private key",
          }),
          others: field(
            z
              .array(z.strictObject({ certificate: z.string(), key: z.string() }))
              .max(100)
              .default([]),
            { reason: "further certificates, each shown to clients that ask for one of its names" },
          ),
          authorities: field(z.string().optional(), {
            reason:
              "PEM file of authorities that peers' certificates may be signed by, besides the well-known ones",
          }),
          checkPeers: field(z.enum(["always", "never"]).default("always"), {
            reason:
              "whether a server that we connect to must prove its name (RFC 5922); never suits a closed network alone",
          }),
        })
        .refine(({ certificate, key }) => (certificate === undefined) === (key === undefined), {
          message: "certificate and key go together",
        })
        .prefault({}),
      advertised: field(hostPort.optional(), {
        env: "CROSSBAND_SIP_ADVERTISED",
        reason: "host:port in Via, Contact and Record-Route: the cluster's address, not the instance's",
      }),
      nameServers: field(z.array(hostPort).max(3).default([]), {
        reason: "host:port of the name servers asked for SIP targets (RFC 3263); none: those of the machine",
      }),
      domain: field(z.string().default("crossband.local"), {
        reason: "SIP domain and digest realm until provisioning names one",
      }),
      challengeInvite: field(z.enum(["unregistered", "always"]).default("unregistered"), {
        reason:
          "whether a caller whose registration came from this very address is asked for its password again",
      }),
      registrationSeconds: field(count.min(60).max(86_400).default(3_600), {
        unit: "s",
        reason: "longest registration granted",
      }),
      subscriptionSeconds: field(count.min(60).max(86_400).default(3_600), {
        unit: "s",
        reason: "longest subscription or publication granted",
      }),
      subscriptionMinSeconds: field(count.min(1).max(3_600).default(60), {
        unit: "s",
        reason: "shortest subscription or publication granted; a shorter one is asked to come again (423)",
      }),
      ringSeconds: field(count.min(5).max(600).default(60), {
        unit: "s",
        reason: "how long a called phone rings before 480",
      }),
      sessionExpiresSeconds: field(z.union([z.literal(0), count.min(90).max(86_400)]).default(1_800), {
        unit: "s",
        reason: "how long a call lives without a sign of life of each phone (RFC 4028); 0 leaves calls alone",
      }),
      minSeSeconds: field(count.min(90).max(3_600).default(90), {
        unit: "s",
        reason: "shortest session interval taken from a phone; less is answered 422",
      }),
      firstDigest: field(z.enum(["MD5", "SHA-256"]).default("MD5"), {
        reason:
          "which of the two challenges comes first; SIPp, SIP.js and many phones read the first alone and know only MD5",
      }),
      md5OnlyAgents: field(z.array(z.string()).default(["baresip v1.0"]), {
        reason:
          "beginnings of User-Agent headers of phones that give up when a challenge they do not know stands beside the one they do; they are offered MD5 alone",
      }),
      emergencyGroup: field(z.string().optional(), {
        reason: "talk group that urn:service:sos reaches; without it such calls get 404",
      }),
      keepaliveSeconds: field(count.min(10).max(3_600).default(120), {
        unit: "s",
        reason:
          "how often clients are asked to keep their connection alive (Flow-Timer, RFC 5626); one that has begun to and stops for twice that is let go",
      }),
      limits: z
        .strictObject({
          connections: field(count.min(10).max(1_000_000).default(20_000), {
            reason: "stream sockets of one signaling process; about 10 kB each, 60 kB with TLS",
          }),
          connectionsPerSource: field(count.min(1).max(1_000_000).default(2_000), {
            reason:
              "stream sockets of one address: an office behind a translator fits, one attacker does not take all",
          }),
          messagesPerSecond: field(count.min(10).max(1_000_000).default(20_000), {
            reason:
              "SIP messages a second that are read from one address; a trunk at 1,200 calls a second stays below",
          }),
          banSeconds: field(count.min(1).max(86_400).default(300), {
            unit: "s",
            reason:
              "how long an address is not read that sends garbage, guesses at names and numbers, or runs a scanner; registered phones there go on",
          }),
          neverBanned: field(z.array(z.string()).max(1_000).default([]), {
            reason:
              "addresses that are not banned whatever comes from them: monitoring, an office (peers of trunks never are)",
          }),
          scanners: field(
            z
              .array(z.string().min(3))
              .max(100)
              .default([
                "friendly-scanner",
                "sipvicious",
                "sipcli",
                "sip-scan",
                "sundayddr",
                "iWar",
                "pplsip",
                "smap",
              ]),
            { reason: "beginnings of User-Agent headers that ban their sender at once and get no answer" },
          ),
        })
        .prefault({}),
      maxMessageBytes: field(count.min(4_096).max(65_535).default(65_535), {
        unit: "bytes",
        reason: "longest SIP message accepted",
      }),
      trace: z
        .strictObject({
          keepSeconds: field(count.min(0).max(604_800).default(3_600), {
            unit: "s",
            reason: "how long redacted messages of a call are kept after its last one; 0 keeps none",
          }),
          calls: field(count.min(512).max(1_000_000).default(10_000), {
            reason: "calls of the cluster whose messages are kept, the latest ones; about 15 KB each",
          }),
          callsPerSecond: field(count.min(1).max(100_000).default(100), {
            reason:
              "new calls a second that one process traces whole; of more it traces a share, chosen by id",
          }),
          callKilobytes: field(count.min(4).max(1_024).default(64), {
            unit: "KB",
            reason: "longest trace of one call; what comes later is only counted",
          }),
        })
        .prefault({}),
      server: field(
        z
          .string()
          .regex(/^(in-process|drachtio:\/\/[^\s:]+:\d+)$/)
          .default("in-process"),
        { reason: "in-process, or drachtio://host:port to run call control on a remote edge" },
      ),
    })
    .prefault({}),
  http: z
    .strictObject({
      port: field(port.default(8080), {
        env: "CROSSBAND_HTTP_PORT",
        reason: "console, API and SIP over WebSocket",
      }),
      tlsPort: field(port.optional(), {
        env: "CROSSBAND_HTTPS_PORT",
        reason:
          "the same over TLS, with the certificate of SIP; browsers on other machines give no microphone to a page without. Off unless set",
      }),
    })
    .prefault({}),
  hep: z
    .strictObject({
      target: field(hostPort.optional(), {
        reason: "HEP3 collector (UDP, host:port) that gets a copy of every SIP message; none without it",
      }),
      id: field(count.min(0).max(4_294_967_295).default(2_060), {
        reason: "capture agent id in HEP packets",
      }),
      key: field(z.string().optional(), { secret: true, reason: "authentication key of the HEP collector" }),
      redact: field(z.boolean().default(true), {
        reason: "whether secrets are taken out of what is exported",
      }),
    })
    .prefault({}),
  drachtio: z
    .strictObject({
      host: field(z.string().default("127.0.0.1"), {
        env: "CROSSBAND_DRACHTIO_HOST",
        reason: "where drachtio applications attach; keep it on a trusted network",
      }),
      port: field(port.default(9022), {
        env: "CROSSBAND_DRACHTIO_PORT",
        reason: "first of one port for each signaling process",
      }),
      secret: field(z.string().min(1).default("cymru"), {
        env: "CROSSBAND_DRACHTIO_SECRET",
        secret: true,
        reason: "shared secret of drachtio applications",
      }),
      requestHandler: field(
        z.union([z.url({ protocol: /^https?$/ }), z.string().regex(/^(tcp|tls):\/\/[^\s/]+$/)]).optional(),
        {
          env: "CROSSBAND_DRACHTIO_REQUEST_HANDLER",
          reason:
            "asked by HTTP GET which application gets a new request (drachtio-server's request-handler), for applications that use srf.listen; or tcp://host:port of the one that gets them all",
        },
      ),
      requestHandlerMethods: field(z.array(z.string().regex(/^[A-Z]{2,32}$/)).default([]), {
        reason:
          "methods that the request handler is asked about; all when empty, others go by the routes of attached applications",
      }),
      tlsPort: field(port.optional(), {
        env: "CROSSBAND_DRACHTIO_TLS_PORT",
        reason: "applications attach here over TLS; needs a certificate and a key",
      }),
      tlsCert: field(z.string().optional(), { reason: "file with the certificate chain (PEM) of that port" }),
      tlsKey: field(z.string().optional(), { reason: "file with its private key (PEM)" }),
      verifyPeer: field(z.boolean().default(false), {
        reason: "whether the certificate of an application that is connected to over TLS must be valid",
      }),
    })
    .prefault({}),
  media: z
    .strictObject({
      advertised: field(z.string().optional(), {
        env: "CROSSBAND_MEDIA_ADVERTISED",
        reason: "address written into SDP when it differs from the one listened on",
      }),
      ports: field(portRange.default({ from: 20_000, to: 21_999 }), {
        env: "CROSSBAND_RTP_PORTS",
        reason: "UDP ports for RTP and WebRTC, FROM-TO",
      }),
      threads: field(count.min(1).max(64).optional(), {
        reason: "audio threads of one media process; default one for each core but one, at most 4",
      }),
      silentLegSeconds: field(count.min(10).max(86_400).default(600), {
        unit: "s",
        reason: "a phone leg that sends nothing for this long is hung up",
      }),
    })
    .prefault({}),
  processes: z
    .strictObject({
      signaling: field(count.min(1).max(64).default(2), {
        env: "CROSSBAND_SIGNALING",
        reason: "signaling processes that `up` starts",
      }),
      media: field(count.min(1).max(16).default(1), {
        env: "CROSSBAND_MEDIA",
        reason: "media processes that `up` starts",
      }),
    })
    .prefault({}),
});

export type Config = z.infer<typeof configSchema>;

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads `crossband.yaml` (when there is one) and lays the environment over it.
 *
 * @param file path of the YAML file; a missing file is an empty one unless `required`
 * @throws CrossbandError CONFIG_INVALID whose message names each bad field, its value's source and the rule
 */
export function loadConfig(environment: Environment, file = "crossband.yaml", required = false): Config {
  const settings = readYaml(file, required);
  const sources = new Map<string, string>();
  for (const { path, doc } of listFields()) {
    const value = doc.env === undefined ? undefined : environment[doc.env];
    if (doc.env === undefined || value === undefined || value === "") continue;
    assign(settings, path, value);
    sources.set(path.join("."), doc.env);
  }
  const result = configSchema.safeParse(settings);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => {
    const name = issue.path.join(".");
    const source = [...sources].find(([path]) => name.startsWith(path))?.[1];
    return `${name || "(file)"}${source === undefined ? "" : ` (${source})`}: ${issue.message}`;
  });
  throw new CrossbandError(ErrorCode.ConfigInvalid, `configuration is invalid: ${problems.join("; ")}`, {
    problems,
  });
}

/** The configuration as it may be logged: secrets and passwords in URLs masked. */
export function maskedConfig(config: Config): unknown {
  const copy = structuredClone(config) as Record<string, unknown>;
  for (const { path, doc } of listFields()) if (doc.secret === true) assign(copy, path, "[secret]", true);
  return copy;
}

/** Every field with its path and documentation, in schema order. */
export function listFields(): { path: string[]; schema: z.ZodType; doc: FieldDoc }[] {
  const walk = (
    schema: z.ZodType,
    path: string[],
  ): { path: string[]; schema: z.ZodType; doc: FieldDoc }[] => {
    const doc = fieldDocs.get(schema);
    if (doc) return [{ path, schema, doc }];
    const inner = schema instanceof z.ZodPrefault ? (schema.unwrap() as z.ZodType) : schema;
    if (!(inner instanceof z.ZodObject)) return [];
    return Object.entries(inner.shape as Record<string, z.ZodType>).flatMap(([key, child]) =>
      walk(child, [...path, key]),
    );
  };
  return walk(configSchema, []);
}

function readYaml(file: string, required: boolean): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    if (!required && (cause as NodeJS.ErrnoException).code === "ENOENT") return {};
    throw new CrossbandError(ErrorCode.ConfigInvalid, `cannot read ${file}`, { file }, { cause });
  }
  const value: unknown = parse(text);
  if (value === null || value === undefined) return {};
  if (typeof value !== "object" || Array.isArray(value))
    throw new CrossbandError(ErrorCode.ConfigInvalid, `${file} must hold a mapping`, { file });
  return value as Record<string, unknown>;
}

/** Sets a nested value; with `onlyPresent` it changes nothing that is not there. */
function assign(
  target: Record<string, unknown>,
  path: readonly string[],
  value: unknown,
  onlyPresent = false,
): void {
  let node = target;
  for (const key of path.slice(0, -1)) {
    if (typeof node[key] !== "object" || node[key] === null) {
      if (onlyPresent) return;
      node[key] = {};
    }
    node = node[key] as Record<string, unknown>;
  }
  const last = path.at(-1) ?? "";
  if (onlyPresent && node[last] === undefined) return;
  node[last] = value;
}
