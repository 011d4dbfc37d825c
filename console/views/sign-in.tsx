import { useId, type SubmitEvent } from "react";
import { texts } from "../texts.ts";
import { useConsole, useConsoleState } from "./console-context.ts";

/** User and password. Works with password managers; nothing is kept by the page. */
export function SignIn() {
  const console = useConsole();
  const problem = useConsoleState((state) => state.signInProblem);
  const working = useConsoleState((state) => state.phase === "signing-in");
  const problemId = useId();

  const submit = (event: SubmitEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const text = (name: string): string => {
      const value = form.get(name);
      return typeof value === "string" ? value : "";
    };
    void console.signIn(text("user").trim().toLowerCase(), text("password"));
  };

  return (
    <main className="sign-in">
      <form className="sign-in-card" onSubmit={submit} aria-describedby={problem ? problemId : undefined}>
        <img src="/icon.svg" alt="" width={44} height={44} />
        <h1>{texts.signIn.title}</h1>
        <p className="dim">{texts.signIn.lead}</p>
        <label>
          {texts.signIn.user}
          <input
            name="user"
            autoComplete="username"
            autoCapitalize="none"
            spellCheck={false}
            required
            autoFocus
          />
        </label>
        <label>
          {texts.signIn.password}
          <input name="password" type="password" autoComplete="current-password" required />
        </label>
        {problem !== undefined && (
          <p className="problem" id={problemId} role="alert">
            {problem}
          </p>
        )}
        <button type="submit" className="primary" aria-disabled={working}>
          {working ? texts.signIn.working : texts.signIn.submit}
        </button>
        <p className="dim small">{texts.signIn.microphoneNote}</p>
      </form>
    </main>
  );
}
