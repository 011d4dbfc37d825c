import { z } from "zod";
import { CrossbandError, ErrorCode } from "#common/errors.ts";
import { floorRequestSchema, legRequestSchema } from "#common/media-control.ts";
import type { RpcRequest } from "#state/rpc/rpc.ts";
import type { Command } from "./messages.ts";

/** What may be asked of a media process. */
export type MediaRequest = Exclude<Command, { do: "metrics" | "close" }>;

const digitSchema = z.object({ digit: z.string().regex(/^[0-9A-D*#]$/) });

type Route = readonly [
  method: RpcRequest["method"],
  path: RegExp,
  read: (name: string, body: unknown) => MediaRequest,
];

// prettier-ignore
const routes: readonly Route[] = [
  ["PUT",    /^\/legs\/([^/]+)$/,         (leg, body) => ({ do: "put-leg", leg, request: legRequestSchema.parse(body) })],
  ["DELETE", /^\/legs\/([^/]+)$/,         (leg) => ({ do: "delete-leg", leg })],
  ["POST",   /^\/legs\/([^/]+)\/digits$/, (leg, body) => ({ do: "digit", leg, digit: digitSchema.parse(body).digit })],
  ["POST",   /^\/floor$/,                 (_name, body) => ({ do: "floor", request: floorRequestSchema.parse(body) })],
  ["GET",    /^\/groups\/([^/]+)$/,       (group) => ({ do: "snapshot", group })],
];

/**
 * Reads a request of common/media-control.ts.
 *
 * @throws CrossbandError RPC_REFUSED for an unknown path, or a body of the wrong shape (the message names the fields)
 */
export function readMediaRequest({ method, path, body }: RpcRequest): MediaRequest {
  for (const [expected, pattern, read] of routes) {
    const match = method === expected ? pattern.exec(path) : null;
    if (!match) continue;
    try {
      return read(decodeURIComponent(match[1] ?? ""), body);
    } catch (cause) {
      const why = cause instanceof z.ZodError ? z.prettifyError(cause) : "malformed path";
      throw new CrossbandError(
        ErrorCode.RpcRefused,
        `request is malformed: ${why}`,
        { method, path },
        { cause },
      );
    }
  }
  throw new CrossbandError(ErrorCode.RpcRefused, "media has no such resource", { method, path });
}
