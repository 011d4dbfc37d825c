import type { GroupSnapshot, Participant } from "#common/media-control.ts";
import type { StateDocument } from "./event-package.ts";
import { escapeXml, xmlDocument } from "./xml.ts";

/** Participants that a document lists, talkers first; `user-count` says how many there are. A datagram holds no more. */
export const MAX_LISTED = 100;

/** A talk group as RFC 4575 describes it: who is in it and, in a name space of ours, who talks. */
export function conferenceDocument(
  { id, name }: { readonly id: string; readonly name: string },
  snapshot: GroupSnapshot | undefined,
  domain: string,
): StateDocument {
  const participants = snapshot?.participants ?? [];
  const talking = new Set(snapshot?.talking ?? []);
  if (snapshot?.floor.state === "taken") talking.add(snapshot.floor.leg);
  const listed = participants
    .toSorted((a, b) => Number(talking.has(b.leg)) - Number(talking.has(a.leg)) || (a.leg < b.leg ? -1 : 1))
    .slice(0, MAX_LISTED);
  const users = Map.groupBy(listed, (one) => one.id);
  const lines = [
    `  <conference-description><display-text>${escapeXml(name)}</display-text></conference-description>`,
    `  <conference-state><user-count>${new Set(participants.map((one) => one.id)).size}</user-count>` +
      `<active>${participants.length > 0}</active></conference-state>`,
    `  <users state="full">`,
    ...[...users].flatMap(([user, legs]) => userLines(`sip:${user}@${domain}`, legs, talking)),
    `  </users>`,
  ];
  return {
    write: (version) =>
      xmlDocument(
        `<conference-info xmlns="urn:ietf:params:xml:ns:conference-info" xmlns:floor="urn:crossband:floor"` +
          ` entity="sip:${escapeXml(id)}@${escapeXml(domain)}" state="full" version="${version}">`,
        ...lines,
        `</conference-info>`,
      ),
  };
}

function userLines(entity: string, legs: readonly Participant[], talking: ReadonlySet<string>): string[] {
  return [
    `    <user entity="${escapeXml(entity)}" state="full">`,
    `      <display-text>${escapeXml(legs[0]?.name ?? "")}</display-text>`,
    ...legs.flatMap(({ leg, kind }) => [
      `      <endpoint entity="${escapeXml(leg)}" state="full">`,
      `        <display-text>${kind}</display-text><status>connected</status>`,
      `        <media id="1"><type>audio</type><status>sendrecv</status></media>`,
      `        <floor:talking>${talking.has(leg)}</floor:talking>`,
      `      </endpoint>`,
    ]),
    `    </user>`,
  ];
}
