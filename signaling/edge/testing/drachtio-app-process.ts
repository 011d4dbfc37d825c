/**
 * An application in a process of its own, for tests that kill it: `node drachtio-app-process.ts <port> <tag> <mode>`. It says
 * `ready` when it is attached, then a line for each thing it hears.
 */
import { flushCompileCache } from "node:module";
import { Srf } from "./drachtio-srf.ts";

// It is killed before it could leave its compiled code to the next.
flushCompileCache();
const [, , port = "", tag = "", mode = "answer"] = process.argv;
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const srf = new Srf(tag === "" ? [] : [tag]);
srf.on("error", () => undefined);
srf.invite((req, res) => {
  say(`invite ${req.get("Call-ID")}`);
  req.on("cancel", () => {
    say("cancel");
  });
  if (mode === "ring") res.send(180);
  else if (mode === "answer")
    void srf.createUAS(req, res, { localSdp: "v=0\r\n" }).then((dialog) => {
      dialog.on("destroy", () => {
        say("destroy");
      });
    });
});
// What another process began falls through to here.
for (const method of ["bye", "info", "message", "options"])
  srf.use(method, (req, res) => {
    say(`${method} ${req.stackDialogId}`);
    if (mode !== "mute") res.send(200, { headers: { "X-App": tag } });
  });
srf.on("connect", () => {
  say("ready");
  if (mode.startsWith("call:"))
    void srf.createUAC(mode.slice("call:".length), { localSdp: "v=0\r\n" }).then(() => {
      say("answered");
    });
});
srf.connect({ host: "127.0.0.1", port: Number(port), secret: "cymru", reconnect: { retryMaxDelay: 300 } });
