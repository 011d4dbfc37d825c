import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { createConsole } from "./control/console.ts";
import { App } from "./views/app.tsx";
import { ConsoleContext } from "./views/console-context.ts";
import "./views/tokens.css";
import "./views/layout.css";
import "./views/strip.css";

const root = document.getElementById("root");
if (!root) throw new Error("the page has no #root");
createRoot(root).render(
  <StrictMode>
    <ConsoleContext value={createConsole()}>
      <App />
    </ConsoleContext>
  </StrictMode>,
);
