import { SDP, type Effect } from "#signaling/calls/call/effect.ts";

/** Effects as short lines, so that a table of them can be read: `200+sdp`, `in-dialog 0 BYE`, `PUT 0 r1 offer`. */
export const describeEffects = (effects: readonly Effect[]): string[] => effects.map(describeEffect);

const legNumber = (leg: string) => leg.slice(leg.lastIndexOf(".") + 1);

function describeEffect(effect: Effect): string {
  switch (effect.do) {
    case "sip": {
      const { command } = effect;
      const type = "contentType" in command ? command.contentType : undefined;
      const sdp = type === undefined ? "" : type === SDP ? "+sdp" : "+body";
      if (command.type === "reply")
        return `${command.status}${command.reliable === true ? " reliably" : ""}${sdp} to ${command.txn}`;
      if (command.type === "request") return `${command.method}${sdp} ${legNumber(command.leg)}`;
      return `${command.type === "in-dialog" ? command.method : command.type}${sdp} ${legNumber(command.leg)}`;
    }
    case "media": {
      const { request } = effect;
      const leg = legNumber(request.leg);
      if (request.op === "put")
        return `PUT ${leg} r${request.body.revision} ${request.body.description.type}`;
      return request.op === "delete" ? `DELETE ${leg}` : `digit ${leg}`;
    }
    case "dismiss":
      return `dismiss ${legNumber(effect.leg)} from ${effect.from}`;
    case "timer":
      return `${effect.atMs === undefined ? "disarm" : "arm"} ${effect.timer}`;
    case "detail":
      return `record ${effect.detail.cause} ${effect.detail.status} ${effect.detail.durationMs}`;
    case "claim":
      return `claim ${effect.trunk} ${legNumber(effect.leg)}`;
    case "avoid":
      return `avoid ${effect.peer} ${effect.seconds}`;
    case "tell": {
      const { event } = effect;
      return `tell ${effect.call}: ${event.type}${"status" in event ? ` ${event.status}` : ""}`;
    }
    case "dial":
      return `dial ${effect.call}`;
    case "unbind":
      return `unbind ${effect.key}`;
  }
}
