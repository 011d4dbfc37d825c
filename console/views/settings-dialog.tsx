import { X } from "lucide-react";
import { useState, type RefObject } from "react";
import { texts } from "../texts.ts";
import { useConsole, useConsoleState } from "./console-context.ts";

/** The operator's own choices. The browser's dialog keeps the focus inside and Escape closes it. */
export function SettingsDialog({ dialog }: { readonly dialog: RefObject<HTMLDialogElement | null> }) {
  const console = useConsole();
  const settings = useConsoleState((state) => state.settings);
  const microphones = useMicrophones(dialog);
  return (
    <dialog
      ref={dialog}
      className="settings"
      aria-label={texts.settings.title}
      onToggle={microphones.refresh}
    >
      <div className="settings-head">
        <h2>{texts.settings.title}</h2>
        <button
          type="button"
          className="icon-button"
          aria-label={texts.settings.close}
          onClick={() => dialog.current?.close()}
        >
          <X aria-hidden size={18} />
        </button>
      </div>
      <p className="dim">{texts.settings.keys}</p>
      <Choice
        label={texts.settings.space}
        detail={texts.settings.spaceDetail}
        checked={settings.space}
        onChange={(space) => void console.changeSettings({ space })}
      />
      <Choice
        label={texts.settings.announce}
        checked={settings.announce}
        onChange={(announce) => void console.changeSettings({ announce })}
      />
      <Choice
        label={texts.settings.processing}
        detail={texts.settings.processingDetail}
        checked={settings.processing}
        onChange={(processing) => void console.changeSettings({ processing })}
      />
      <label className="field">
        {texts.settings.microphone}
        <select
          value={settings.microphone}
          onChange={(event) => void console.changeSettings({ microphone: event.currentTarget.value })}
        >
          <option value="">{texts.settings.standard}</option>
          {microphones.list.map(({ deviceId, label }) => (
            <option key={deviceId} value={deviceId}>
              {label}
            </option>
          ))}
        </select>
      </label>
      <label className="field">
        {texts.settings.unselected}
        <input
          type="range"
          min={0}
          max={1}
          step={0.05}
          value={settings.unselectedVolume}
          onChange={(event) =>
            void console.changeSettings({ unselectedVolume: event.currentTarget.valueAsNumber })
          }
        />
      </label>
    </dialog>
  );
}

interface ChoiceProps {
  readonly label: string;
  readonly detail?: string;
  readonly checked: boolean;
  readonly onChange: (checked: boolean) => void;
}

function Choice({ label, detail, checked, onChange }: ChoiceProps) {
  return (
    <label className="choice">
      <input
        type="checkbox"
        checked={checked}
        onChange={(event) => {
          onChange(event.currentTarget.checked);
        }}
      />
      <span>
        {label}
        {detail !== undefined && <span className="dim small block">{detail}</span>}
      </span>
    </label>
  );
}

/** The microphones that the browser names, read when the dialog opens: names need the permission. */
function useMicrophones(dialog: RefObject<HTMLDialogElement | null>) {
  const [list, setList] = useState<readonly MediaDeviceInfo[]>([]);
  const read = async (): Promise<void> => {
    if (!dialog.current?.open || !("mediaDevices" in navigator)) return;
    const devices = await navigator.mediaDevices.enumerateDevices();
    setList(
      devices.filter(
        ({ kind, deviceId, label }) => kind === "audioinput" && deviceId !== "default" && label !== "",
      ),
    );
  };
  return { list, refresh: () => void read() };
}
