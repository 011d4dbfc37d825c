import { useConsoleState } from "./console-context.ts";

/** What screen readers are told. In the page from the start and empty, or they are not heard. */
export function LiveRegions() {
  const { polite, assertive, count } = useConsoleState((state) => state.spoken);
  // A repeated text must be a changed one to be spoken again.
  const mark = count % 2 === 0 ? "" : "\u00a0";
  return (
    <>
      <div className="unseen" role="status" aria-live="polite" data-live="polite">
        {polite && polite + mark}
      </div>
      <div className="unseen" role="alert" aria-live="assertive" data-live="assertive">
        {assertive && assertive + mark}
      </div>
    </>
  );
}
