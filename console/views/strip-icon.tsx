import {
  Ban,
  Check,
  Clock,
  Ear,
  Hourglass,
  Loader,
  Mic,
  MicOff,
  Minus,
  Unplug,
  Volume2,
  VolumeX,
  type LucideIcon,
} from "lucide-react";
import type { StripLook } from "../model/strip.ts";

const icons: Readonly<Record<StripLook, LucideIcon>> = {
  "on-air": Mic,
  "open-microphone": Mic,
  asking: Loader,
  queued: Hourglass,
  busy: Ban,
  cut: MicOff,
  limit: Clock,
  receiving: Volume2,
  muted: VolumeX,
  selected: Check,
  idle: Minus,
  joining: Loader,
  out: Minus,
  "listen-only": Ear,
  disconnected: Unplug,
  stale: Clock,
};

/** Each state has a shape of its own, so that colour never tells it alone. */
export function StripIcon({ look }: { readonly look: StripLook }) {
  const Icon = icons[look];
  return <Icon aria-hidden size={18} strokeWidth={2.25} />;
}
