import { Component, type ReactNode } from "react";
import { texts } from "../texts.ts";

interface FenceProps {
  readonly name: string;
  readonly children: ReactNode;
}

/** Keeps a panel's failure inside it. Voice and press-to-talk live outside React and go on. */
export class Fence extends Component<FenceProps, { failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError(): { failed: boolean } {
    return { failed: true };
  }

  override render(): ReactNode {
    if (!this.state.failed) return this.props.children;
    return (
      <div className="fence" role="alert">
        <p>{texts.fence.panel(this.props.name)}</p>
        <button
          type="button"
          onClick={() => {
            this.setState({ failed: false });
          }}
        >
          {texts.fence.reload}
        </button>
      </div>
    );
  }
}
