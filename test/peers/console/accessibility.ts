import { readFileSync } from "node:fs";
import type { Page } from "playwright-core";

interface Axe {
  run(): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }>;
}

/** The serious and critical faults that axe finds on a page as it is now. */
export async function accessibilityFaults(page: Page): Promise<{ id: string; html: string | undefined }[]> {
  const axe = readFileSync(new URL("../../../node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
  // The page's own policy forbids foreign scripts, so the checker comes in through the debugger.
  await page.evaluate(axe);
  return page.evaluate(async () => {
    const { violations } = await (globalThis as unknown as { axe: Axe }).axe.run();
    return violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .flatMap(({ id, nodes }) => nodes.map(({ html }) => ({ id, html })));
  });
}
