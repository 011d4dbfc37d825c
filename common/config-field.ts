import { z } from "zod";

/** How a field is set from outside and why it is there. `crossband --help` and docs/CONFIGURATION.md print these. */
export interface FieldDoc {
  readonly env?: string;
  readonly unit?: string;
  readonly reason: string;
  readonly secret?: boolean;
}

export const fieldDocs = z.registry<FieldDoc>();

/** Numbers and addresses as settings give them: text of the environment, or YAML. */
export const port = z.coerce.number().int().min(0).max(65_535);
export const count = z.coerce.number().int();
export const hostPort = z.string().regex(/^(\[[0-9a-fA-F:]+\]|[^\s:]+):\d{1,5}$/, "must be host:port");

/** Documents a setting. */
export function field<T extends z.ZodType>(schema: T, doc: FieldDoc): T {
  fieldDocs.add(schema, doc);
  return schema;
}

/** `name=url,name=url`. */
export const peers = z.preprocess(
  (value): unknown =>
    typeof value === "string"
      ? Object.fromEntries(
          value
            .split(",")
            .filter(Boolean)
            .map((pair) => pair.split(/=(.*)/s) as [string, string]),
        )
      : value,
  z.record(z.string(), z.url()),
);

/** `FROM-TO`. */
export const portRange = z.preprocess(
  (value) => {
    if (typeof value !== "string") return value;
    const [from, to] = value.split("-").map(Number);
    return { from, to };
  },
  z
    .object({ from: z.number().int().min(1_024).max(65_535), to: z.number().int().min(1_024).max(65_535) })
    .refine(({ from, to }) => to > from, "must be FROM-TO with FROM below TO"),
);
