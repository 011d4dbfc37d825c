import { createHash } from "node:crypto";

/** What can be subscribed to (RFC 6665 §4.4.2). */
export const PACKAGES = ["conference", "dialog", "presence", "reg"] as const;
export type PackageName = (typeof PACKAGES)[number];

export const CONTENT_TYPES: Readonly<Record<PackageName, string>> = {
  conference: "application/conference-info+xml",
  dialog: "application/dialog-info+xml",
  presence: "application/pidf+xml",
  reg: "application/reginfo+xml",
};

export const ALLOW_EVENTS: readonly (readonly [string, string])[] = [["Allow-Events", PACKAGES.join(", ")]];

/** The state of a resource, always whole. */
export interface StateDocument {
  /** The body with the version that a subscription has come to. */
  write(version: number): string;
  /** When it changes by itself because something in it expires, epoch ms. */
  readonly nextAtMs?: number;
}

/** `<package>:<id>`: what changes are told of. */
export type Resource = `${PackageName}:${string}`;

export const resourceOf = (name: PackageName, id: string): Resource => `${name}:${id}`;
export const idOf = (resource: Resource): string => resource.slice(resource.indexOf(":") + 1);

export const packageOf = (event: string | undefined): PackageName | undefined => {
  const name = event?.split(";", 1)[0]?.trim().toLowerCase();
  return PACKAGES.find((one) => one === name);
};

/** What two documents have in common when nothing has changed. */
export const fingerprint = (document: StateDocument): string =>
  createHash("sha256").update(document.write(0), "utf8").digest("base64url").slice(0, 16);
