/** How a phone speaks to the cluster: datagrams through the sprayer, or a connection to one instance. */
export const TRANSPORTS = ["udp", "tcp", "tls", "wss"] as const;
export type Transport = (typeof TRANSPORTS)[number];

/** What a phone on it offers is for a browser: its calls go through the media tier. */
export const isWebrtc = (transport: Transport): boolean => transport === "wss";
