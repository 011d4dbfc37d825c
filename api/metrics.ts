import { Counter, Gauge, Histogram, Registry } from "prom-client";

/** The metrics of one api process. One registry each, so that two in a test do not meet. */
export function createMetrics() {
  const registry = new Registry();
  const registers = [registry];
  return {
    registry,
    requests: new Histogram({
      name: "crossband_http_request_seconds",
      help: "time to answer an HTTP request",
      labelNames: ["method", "route", "status"],
      buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2],
      registers,
    }),
    signIns: new Counter({
      name: "crossband_sign_ins_total",
      help: "sign-in attempts by outcome",
      labelNames: ["outcome"],
      registers,
    }),
    consoles: new Gauge({ name: "crossband_consoles", help: "open event sockets", registers }),
    consoleMessages: new Counter({
      name: "crossband_console_messages_total",
      help: "messages between consoles and this process",
      labelNames: ["direction", "type"],
      registers,
    }),
    consoleCloses: new Counter({
      name: "crossband_console_closes_total",
      help: "event sockets that this process closed, by reason",
      labelNames: ["reason"],
      registers,
    }),
    floorAnswers: new Histogram({
      name: "crossband_console_floor_seconds",
      help: "time from a console's floor request to the answer",
      labelNames: ["outcome"],
      buckets: [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2],
      registers,
    }),
    sipSockets: new Gauge({
      name: "crossband_sip_sockets",
      help: "SIP over WebSocket connections passed on",
      registers,
    }),
    sipRefused: new Counter({
      name: "crossband_sip_refused_total",
      help: "SIP over WebSocket connections refused, by reason",
      labelNames: ["reason"],
      registers,
    }),
  };
}

export type Metrics = ReturnType<typeof createMetrics>;
