import { useEffect, useRef } from "react";
import { useConsole, useConsoleState } from "./console-context.ts";
import { texts } from "../texts.ts";

interface Tile {
  readonly key: string;
  readonly label: string;
  readonly own: boolean;
  readonly track: MediaStreamTrack;
}

/** The cameras of the others in our groups, and our own. Sound comes with the strip, never from here. */
export function VideoTiles() {
  const console = useConsole();
  const groups = useConsoleState((state) => state.groups);
  const tiles: Tile[] = Object.values(groups).flatMap(({ card, slots, camera }) => {
    const others = slots.flatMap(({ mid, from }): Tile[] => {
      const track = console.videoOf(card.id, mid);
      if (!from || !track) return [];
      return [
        { key: `${card.id} ${mid}`, label: texts.side.videoOf(from.name, card.name), own: false, track },
      ];
    });
    const ours = camera ? console.cameraOf(card.id) : undefined;
    return ours
      ? [
          ...others,
          {
            key: `${card.id} own`,
            label: texts.side.videoOf(texts.camera.yours, card.name),
            own: true,
            track: ours,
          },
        ]
      : others;
  });
  if (tiles.length === 0) return null;
  return (
    <section className="panel" aria-labelledby="video-heading">
      <h2 id="video-heading">{texts.side.video}</h2>
      <ul className="tiles">
        {tiles.map(({ key, ...tile }) => (
          <VideoTile key={key} {...tile} />
        ))}
      </ul>
    </section>
  );
}

function VideoTile({ label, own, track }: Omit<Tile, "key">) {
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    const element = video.current;
    if (!element) return undefined;
    element.srcObject = new MediaStream([track]);
    element.play().catch(() => undefined);
    return () => {
      element.srcObject = null;
    };
  }, [track]);
  return (
    <li className="tile" data-own={own}>
      <video ref={video} muted playsInline autoPlay aria-label={label} />
      <span className="tile-label">{label}</span>
    </li>
  );
}
