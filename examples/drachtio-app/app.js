// An echo: calls hear themselves, texts come back, OPTIONS is answered. See README.md.
import console from "node:console";
import process from "node:process";
import Srf from "drachtio-srf";
import { openEcho } from "./echo-media.js";

const {
  DRACHTIO_HOST = "127.0.0.1",
  DRACHTIO_PORT = "9022",
  DRACHTIO_SECRET = "cymru",
  MEDIA_HOST = "127.0.0.1",
} = process.env;

// Applications of one name carry on for each other: start two, kill one, and its calls still end as they should.
const srf = new Srf("echo");
const log = (...words) => console.log(...words);

srf.invite(async (req, res) => {
  const echo = await openEcho(MEDIA_HOST, req.body ?? "");
  try {
    const dialog = await srf.createUAS(req, res, { localSdp: echo.sdp });
    log("call", dialog.sip.callId, "answered");
    dialog.on("modify", (_req, answer) => answer.send(200, { body: echo.sdp }));
    dialog.on("destroy", () => {
      log("call", dialog.sip.callId, "ended");
      echo.close();
    });
  } catch (error) {
    log("call not answered:", error.message);
    echo.close();
  }
});

srf.message((req, res) => {
  res.send(200);
  // A new request to where the text came from; its answer does not matter here.
  const [contact] = [req.get("Contact"), req.get("From")]
    .filter(Boolean)
    .map((value) => /<([^>]+)>/.exec(value)?.[1]);
  if (!contact) return;
  const headers = { "Content-Type": req.get("Content-Type") ?? "text/plain" };
  srf.request(contact, { method: "MESSAGE", headers, body: req.body }, (error) => {
    if (error) log("text not returned:", error.message);
  });
});

srf.options((_req, res) => {
  res.send(200, { headers: { Accept: "application/sdp, text/plain" } });
});

// What another echo began and did not live to end.
for (const method of ["bye", "info"]) srf.use(method, (_req, res) => res.send(200));

srf.on("connect", (error, hostport) => {
  if (error) log("not attached:", error.message);
  else log("attached", hostport);
});
srf.on("error", (error) => log("server not reached:", error.message));
srf.connect({ host: DRACHTIO_HOST, port: Number(DRACHTIO_PORT), secret: DRACHTIO_SECRET });
