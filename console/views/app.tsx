import { useEffect } from "react";
import { texts } from "../texts.ts";
import { useConsoleState } from "./console-context.ts";
import { Fence } from "./fence.tsx";
import { LiveRegions } from "./live-regions.tsx";
import { Notices } from "./notices.tsx";
import { SidePanel } from "./side-panel.tsx";
import { SignIn } from "./sign-in.tsx";
import { Strips } from "./strips.tsx";
import { TalkBar } from "./talk-bar.tsx";
import { TopBar } from "./top-bar.tsx";

/** The page: sign-in, or the one screen that does the job. */
export function App() {
  const onDuty = useConsoleState((state) => state.phase === "on-duty");
  useTitle();
  return (
    <>
      {onDuty ? <Desk /> : <SignIn />}
      <LiveRegions />
    </>
  );
}

function Desk() {
  const link = useConsoleState((state) => state.link.name);
  return (
    <div className="desk" data-link={link}>
      <TopBar />
      <Notices />
      <div className="desk-body">
        <main className="desk-main">
          <Fence name={texts.strips.heading}>
            <Strips />
          </Fence>
        </main>
        <SidePanel />
      </div>
      <TalkBar />
    </div>
  );
}

/** The task bar says it too when this window is behind another. */
function useTitle(): void {
  const onAir = useConsoleState((state) =>
    Object.values(state.groups)
      .filter((group) => group.talk.name === "granted")
      .map((group) => group.card.name)
      .join(", "),
  );
  useEffect(() => {
    document.title = onAir === "" ? texts.product : texts.bar.onAirTitle(onAir);
  }, [onAir]);
}
