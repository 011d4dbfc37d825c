import type { InstanceCard } from "#state/instance/instance.ts";

/** Longest wait for one process, in ms: one that hangs must not hide the others. */
const SCRAPE_LIMIT_MS = 1_000;

/** Scrapes every live process through its card and joins the answers; a process that does not answer is left out. */
export async function gatherMetrics(cards: readonly InstanceCard[]): Promise<string> {
  const scraped = await Promise.all(
    cards.map(async ({ role, instance, listeners }) => {
      const address = listeners["metrics"];
      if (address === undefined) return undefined;
      const text = await fetch(`http://${address}/metrics`, { signal: AbortSignal.timeout(SCRAPE_LIMIT_MS) })
        .then((response) => (response.ok ? response.text() : undefined))
        .catch(() => undefined);
      return text === undefined ? undefined : { role, instance, text };
    }),
  );
  return joinMetrics(scraped.filter((one) => one !== undefined));
}

/**
 * One Prometheus text of several: each sample labelled with the role and instance it came from, each family's HELP and TYPE
 * said once, before its samples.
 */
export function joinMetrics(
  sources: readonly { readonly role: string; readonly instance: string; readonly text: string }[],
): string {
  const families = new Map<string, { readonly head: string[]; readonly samples: string[] }>();
  for (const { role, instance, text } of sources) {
    const labels = `role="${role}",instance="${instance}"`;
    let current: { readonly head: string[]; readonly samples: string[] } | undefined;
    for (const line of text.split("\n")) {
      const comment = /^# (HELP|TYPE) (\S+)/.exec(line);
      if (comment) {
        const [, , name = ""] = comment;
        current = families.get(name) ?? { head: [], samples: [] };
        families.set(name, current);
        if (current.head.length < 2 && !current.head.some((known) => known.startsWith(comment[0])))
          current.head.push(line);
        continue;
      }
      const sample = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (.+)$/.exec(line);
      if (!sample || !current) continue;
      const [, name = "", own = "", value = ""] = sample;
      current.samples.push(`${name}{${own === "" ? labels : `${own},${labels}`}} ${value}`);
    }
  }
  return [...families.values()].map(({ head, samples }) => [...head, ...samples, ""].join("\n")).join("");
}
