import { createSocket } from "node:dgram";
import { once } from "node:events";

/** A UDP port that was free a moment ago. */
export async function freePort(host = "127.0.0.1"): Promise<number> {
  const socket = createSocket("udp4");
  socket.bind(0, host);
  await once(socket, "listening");
  const { port } = socket.address();
  await new Promise<void>((resolve) =>
    socket.close(() => {
      resolve();
    }),
  );
  return port;
}
