import { createContext, use } from "react";
import { useStore } from "zustand";
import type { Console } from "../control/console.ts";
import type { ConsoleState } from "../model/console.state.ts";

export const ConsoleContext = createContext<Console | undefined>(undefined);

/** What the page may ask for. */
export function useConsole(): Console {
  const console = use(ConsoleContext);
  if (!console) throw new Error("no console around this view");
  return console;
}

/** A part of the state; the view is drawn again when that part changes, and only then. */
export const useConsoleState = <T>(select: (state: ConsoleState) => T): T =>
  useStore(useConsole().store, select);
