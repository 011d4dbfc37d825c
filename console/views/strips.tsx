import { useRef, useState, type KeyboardEvent } from "react";
import { texts } from "../texts.ts";
import { useConsoleState } from "./console-context.ts";
import { Strip } from "./strip.tsx";

/** All groups, each in its fixed place. One Tab stop for them all: arrows move among strips. */
export function Strips() {
  const order = useConsoleState((state) => state.order);
  const [active, setActive] = useState(0);
  const list = useRef<HTMLDivElement>(null);
  const current = Math.min(active, Math.max(0, order.length - 1));

  const move = (event: KeyboardEvent<HTMLDivElement>): void => {
    if (event.ctrlKey || event.altKey || event.metaKey || !isStripHead(event.target)) return;
    const next = targetOf(event.key, current, order.length, columnsOf(list.current));
    if (next === undefined) return;
    event.preventDefault();
    setActive(next);
    list.current?.querySelectorAll<HTMLElement>(".strip-head")[next]?.focus();
  };

  return (
    <section aria-labelledby="strips-heading">
      <h1 id="strips-heading" className="section-heading">
        {texts.strips.heading}
      </h1>
      {order.length === 0 && <p className="empty">{texts.strips.empty}</p>}
      <div className="strips" role="toolbar" aria-label={texts.strips.heading} ref={list} onKeyDown={move}>
        {order.map((id, i) => (
          <Strip
            key={id}
            id={id}
            active={i === current}
            onFocus={() => {
              setActive(i);
            }}
          />
        ))}
      </div>
    </section>
  );
}

const isStripHead = (target: EventTarget): boolean =>
  target instanceof Element && target.matches(".strip-head");

/** How many strips stand in a row now. */
function columnsOf(list: HTMLElement | null): number {
  const tops = [...(list?.children ?? [])].map((strip) => strip.getBoundingClientRect().top);
  return Math.max(1, tops.filter((top) => top === tops[0]).length);
}

function targetOf(key: string, from: number, count: number, columns: number): number | undefined {
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[key];
  if (step !== undefined) {
    const next = from + step;
    return next >= 0 && next < count ? next : undefined;
  }
  if (key === "Home") return 0;
  return key === "End" ? count - 1 : undefined;
}
