export interface SilenceWatch {
  /** Listens while on air only. */
  watch(onAir: boolean): void;
  close(): void;
}

const SAMPLE_MS = 100;
/** People pause while they talk; a muted headset sends nothing at all for longer than that. */
const SILENT_MS = 4_000;
/** What even a quiet room passes, on the meter's scale. */
const SILENCE = 0.03;

/** Notices an operator who talks into a muted headset: on air, and nothing comes from the microphone. */
export function createSilenceWatch(level: () => number, onChange: (silent: boolean) => void): SilenceWatch {
  let timer: ReturnType<typeof setInterval> | undefined;
  let quietMs = 0;
  let told = false;

  const tell = (silent: boolean): void => {
    if (silent === told) return;
    told = silent;
    onChange(silent);
  };
  const close = (): void => {
    clearInterval(timer);
    timer = undefined;
    quietMs = 0;
    tell(false);
  };
  return {
    watch(onAir) {
      if (!onAir) close();
      else
        timer ??= setInterval(() => {
          quietMs = level() > SILENCE ? 0 : quietMs + SAMPLE_MS;
          tell(quietMs >= SILENT_MS);
        }, SAMPLE_MS);
    },
    close,
  };
}
