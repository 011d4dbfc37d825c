import { Monitor, Phone, Radio, Video } from "lucide-react";
import { useStore } from "zustand";
import { useShallow } from "zustand/shallow";
import type { MemberKind } from "#common/media-control.ts";
import type { GroupState } from "../model/console.state.ts";
import { clockText } from "../model/strip.ts";
import { texts } from "../texts.ts";
import { useConsole, useConsoleState } from "./console-context.ts";
import { Fence } from "./fence.tsx";
import { useNow } from "./use-now.ts";
import { VideoTiles } from "./video-tiles.tsx";

/** The work area: pictures, people, what was said. */
export function SidePanel() {
  return (
    <aside className="side" aria-label={texts.side.heading}>
      <Fence name={texts.side.video}>
        <VideoTiles />
      </Fence>
      <Fence name={texts.side.people}>
        <People />
      </Fence>
      <Fence name={texts.side.log}>
        <TalkLog />
      </Fence>
    </aside>
  );
}

const kindIcons = { phone: Phone, browser: Monitor, radio: Radio } as const satisfies Record<
  MemberKind,
  unknown
>;

function People() {
  const console = useConsole();
  const groups = useStore(
    console.store,
    useShallow((state) =>
      state.selected.map((id) => state.groups[id]).filter((group) => group !== undefined),
    ),
  );
  return (
    <section className="panel" aria-labelledby="people-heading">
      <h2 id="people-heading">{texts.side.people}</h2>
      {groups.length === 0 && <p className="empty">{texts.side.pick}</p>}
      {groups.map((group) => (
        <GroupPeople key={group.card.id} group={group} named={groups.length > 1} />
      ))}
    </section>
  );
}

function GroupPeople({ group, named }: { readonly group: GroupState; readonly named: boolean }) {
  const ours = group.call.name === "in" ? group.call.leg : "";
  const talking = group.floor.state === "taken" ? [group.floor.leg, ...group.talking] : group.talking;
  return (
    <>
      {named && <h3>{group.card.name}</h3>}
      <ul className="people">
        {group.participants.map(({ leg, name, kind, camera }) => {
          const Icon = kindIcons[kind];
          return (
            <li key={leg} data-talking={talking.includes(leg)} data-participant={leg}>
              <Icon aria-hidden size={16} />
              <span className="unseen">{texts.side.kinds[kind]}</span>
              <span className="people-name">
                {name}
                {leg === ours && <span className="dim"> ({texts.side.you})</span>}
              </span>
              {camera && (
                <span className="dim" title={texts.side.cameraOn}>
                  <Video aria-label={texts.side.cameraOn} role="img" size={15} />
                </span>
              )}
              {talking.includes(leg) && <span className="badge talking">{texts.state.isTalkingNow}</span>}
            </li>
          );
        })}
      </ul>
    </>
  );
}

function TalkLog() {
  const log = useConsoleState((state) => state.log);
  const groups = useConsoleState((state) => state.groups);
  const now = useNow();
  return (
    <section className="panel panel-log" aria-labelledby="log-heading">
      <h2 id="log-heading">{texts.side.log}</h2>
      {log.length === 0 && <p className="empty">{texts.side.emptyLog}</p>}
      {/* Long lists scroll, so they must be reachable by keyboard. */}
      {log.length > 0 && (
        <ul className="log" tabIndex={0} aria-labelledby="log-heading">
          {log.slice(0, 100).map(({ id, group, who, atMs, endMs }) => (
            <li key={id} data-live={endMs === undefined}>
              <span className="time">{new Date(atMs).toLocaleTimeString("en-GB")}</span>
              <span className="log-group">{groups[group]?.card.name}</span>
              <span className="log-who">{who}</span>
              <span className="time">{clockText((endMs ?? now) - atMs)}</span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
