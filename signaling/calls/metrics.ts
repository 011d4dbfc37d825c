import { Counter, type Registry } from "prom-client";

/** What call control counts. */
export interface CallMetrics {
  call(kind: "group" | "user", event: string): void;
  registration(outcome: string): void;
  authentication(outcome: string): void;
  mediaError(status: number): void;
  message(kind: "group" | "user", outcome: string): void;
  subscription(event: string, outcome: "started" | "notified" | "ended"): void;
  refused(method: string, status: number): void;
}

export function createCallMetrics(registry: Registry): CallMetrics {
  const counter = <Label extends string>(name: string, help: string, labelNames: Label[]) =>
    new Counter({ name: `crossband_${name}`, help, labelNames, registers: [registry] });
  const calls = counter(
    "calls_total",
    "Calls by kind and what happened: started, answered, or the cause they ended with",
    ["kind", "event"],
  );
  const registrations = counter("registrations_total", "REGISTER requests by outcome", ["outcome"]);
  const authentications = counter("authentications_total", "Authentication attempts by outcome", ["outcome"]);
  const media = counter(
    "media_errors_total",
    "Requests that the media tier refused or left unanswered, by SIP status",
    ["status"],
  );
  const messages = counter("messages_total", "Text messages by kind of recipient and outcome", [
    "kind",
    "outcome",
  ]);
  const refusals = counter(
    "requests_refused_total",
    "SIP requests that call control refused, by method and status",
    ["method", "status"],
  );
  const subscriptions = counter("subscriptions_total", "SIP subscriptions by package and what happened", [
    "package",
    "event",
  ]);
  return {
    subscription: (name, event) => {
      subscriptions.inc({ package: name, event });
    },
    call: (kind, event) => {
      calls.inc({ kind, event });
    },
    registration: (outcome) => {
      registrations.inc({ outcome });
    },
    authentication: (outcome) => {
      authentications.inc({ outcome });
    },
    mediaError: (status) => {
      media.inc({ status: String(status) });
    },
    message: (kind, outcome) => {
      messages.inc({ kind, outcome });
    },
    refused: (method, status) => {
      refusals.inc({ method, status: String(status) });
    },
  };
}
