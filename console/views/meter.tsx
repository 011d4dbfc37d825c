import { useEffect, useRef } from "react";

interface Meter {
  readonly bar: HTMLElement;
  readonly read: () => number;
  shown: number;
}

const meters = new Set<Meter>();
let frame: number | undefined;
/** How fast a bar falls, a share of its height a frame; it rises at once. */
const FALL = 0.06;

/** One loop draws every meter; React is not asked. */
function draw(): void {
  for (const meter of meters) {
    const level = meter.read();
    const next = Math.max(level, meter.shown - FALL);
    if (Math.abs(next - meter.shown) > 0.002) meter.bar.style.transform = `scaleX(${next.toFixed(3)})`;
    meter.shown = next;
  }
  frame = meters.size > 0 ? requestAnimationFrame(draw) : undefined;
}

/** How loud something is now. Decoration: what matters is said in words beside it. */
export function Meter({ read }: { readonly read: () => number }) {
  const bar = useRef<HTMLSpanElement>(null);
  useEffect(() => {
    if (!bar.current) return undefined;
    const meter: Meter = { bar: bar.current, read, shown: 0 };
    meters.add(meter);
    frame ??= requestAnimationFrame(draw);
    return () => {
      meters.delete(meter);
    };
  }, [read]);
  return (
    <span className="meter" aria-hidden>
      <span className="meter-bar" ref={bar} />
    </span>
  );
}
