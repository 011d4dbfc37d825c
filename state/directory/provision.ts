import { z } from "zod";
import { trunkProblems, trunkSchema } from "./trunk-schema.ts";

const id = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, "must be 1 to 63 of a-z 0-9 . _ - and start with a letter or digit");
const name = z.string().min(1).max(100);
const hostPort = z.string().regex(/^(\[[0-9a-fA-F:]+\]|[^\s:]+):\d{1,5}$/, "must be host:port");
const e164 = z.string().regex(/^\+[1-9]\d{1,14}$/, "must be an E.164 number such as +15551230001");

export const agencySchema = z.strictObject({ id, name });

export const userSchema = z.strictObject({
  id,
  agency: id,
  name,
  password: z.string().min(1).max(200),
  /** 0 lowest to 10 highest; a higher one takes the floor from a lower one. */
  priority: z.number().int().min(0).max(10).default(5),
  /** Shown to those who are called outside. */
  number: e164.optional(),
});

export const talkGroupSchema = z.strictObject({
  id,
  agency: id,
  name,
  mode: z.enum(["half-duplex", "full-duplex"]).default("half-duplex"),
  /** Users who may join; an empty list admits every user of the group's agency. Radio channels may be named too. */
  members: z.array(id).default([]),
  maxTalkMs: z.number().int().min(1_000).max(600_000).default(60_000),
  /** How long the floor stays with a talker who paused (VOX, squelch flutter). */
  hangMs: z.number().int().min(0).max(10_000).default(500),
  /** True: a console that holds its button while another talks is granted next. False: it is told busy. */
  queue: z.boolean().default(false),
  phonePtt: z.enum(["dtmf", "vox"]).default("dtmf"),
  record: z.boolean().default(false),
});

export const radioChannelSchema = z.strictObject({
  id,
  agency: id,
  name: name.optional(),
  talkGroup: id,
  protocol: z.enum(["usrp"]),
  /** Where the channel receives. */
  listen: hostPort,
  /** Where it sends; frames from other addresses are dropped. */
  remote: hostPort,
  priority: z.number().int().min(0).max(10).default(5),
});

/** One provisioning file: `crossband apply -f`, `CROSSBAND_PROVISION`, and the same shapes in the API. */
export const provisionSchema = z
  .strictObject({
    domain: z
      .string()
      .regex(/^[a-zA-Z0-9.-]{1,253}$/)
      .default("crossband.local"),
    agencies: z.array(agencySchema).default([]),
    users: z.array(userSchema).default([]),
    talkGroups: z.array(talkGroupSchema).default([]),
    radioChannels: z.array(radioChannelSchema).default([]),
    trunks: z.array(trunkSchema).default([]),
  })
  .superRefine((file, context) => {
    const refer = (path: (string | number)[], value: string, known: ReadonlySet<string>, kind: string) => {
      if (!known.has(value))
        context.addIssue({ code: "custom", path, message: `names no ${kind} of this file: ${value}` });
    };
    const ids = (list: readonly { id: string }[]) => new Set(list.map((entry) => entry.id));
    const [agencies, users, groups, channels] = [
      file.agencies,
      file.users,
      file.talkGroups,
      file.radioChannels,
    ].map(ids) as [Set<string>, Set<string>, Set<string>, Set<string>];
    for (const [kind, list] of Object.entries({
      agencies: file.agencies,
      users: file.users,
      talkGroups: file.talkGroups,
      radioChannels: file.radioChannels,
      trunks: file.trunks,
    })) {
      const seen = new Set<string>();
      list.forEach((entry, i) => {
        if (seen.has(entry.id))
          context.addIssue({ code: "custom", path: [kind, i, "id"], message: `appears twice: ${entry.id}` });
        seen.add(entry.id);
      });
    }
    // Users and groups share the SIP address space of the domain.
    file.talkGroups.forEach((group, i) => {
      if (users.has(group.id))
        context.addIssue({
          code: "custom",
          path: ["talkGroups", i, "id"],
          message: `is also a user: ${group.id}`,
        });
      refer(["talkGroups", i, "agency"], group.agency, agencies, "agency");
      group.members.forEach((member, j) => {
        refer(
          ["talkGroups", i, "members", j],
          member,
          new Set([...users, ...channels]),
          "user or radio channel",
        );
      });
    });
    file.users.forEach((user, i) => {
      refer(["users", i, "agency"], user.agency, agencies, "agency");
    });
    file.radioChannels.forEach((channel, i) => {
      refer(["radioChannels", i, "agency"], channel.agency, agencies, "agency");
      refer(["radioChannels", i, "talkGroup"], channel.talkGroup, groups, "talk group");
    });
    file.trunks.forEach((trunk, i) => {
      for (const { path, message } of trunkProblems(trunk))
        context.addIssue({ code: "custom", path: ["trunks", i, ...path], message });
      trunk.allow.forEach((one, j) => {
        if (one !== "*")
          refer(["trunks", i, "allow", j], one, new Set([...users, ...agencies]), "user or agency");
      });
      trunk.inbound.forEach((entry, j) => {
        refer(
          ["trunks", i, "inbound", j, "to"],
          entry.to,
          new Set([...users, ...groups]),
          "user or talk group",
        );
      });
    });
  });

export type Agency = z.infer<typeof agencySchema>;
export type TalkGroup = z.infer<typeof talkGroupSchema>;
export type RadioChannel = z.infer<typeof radioChannelSchema>;
export type { Trunk } from "./trunk-schema.ts";
export type Provision = z.infer<typeof provisionSchema>;

/** A user as stored: the password only as what digest authentication needs (RFC 8760, RFC 7616 §3.4.2). */
export interface User {
  readonly id: string;
  readonly agency: string;
  readonly name: string;
  readonly priority: number;
  /** Shown to those who are called outside, E.164. */
  readonly number?: string | undefined;
  /** Hex H(user:realm:password) by algorithm, with the domain as realm. */
  readonly ha1: { readonly md5: string; readonly sha256: string };
}
