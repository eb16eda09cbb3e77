// Signing in with the account of a workspace.
import { useEffect, useRef, useState } from "preact/hooks";
import { problemOf, type ProblemView } from "../api/problem.ts";
import { signIn } from "../api/session.ts";
import icon from "../icon.svg";
import { Field } from "../parts/field.tsx";
import { ProblemNotice } from "../parts/notice.tsx";

export function SignIn() {
  const [problem, setProblem] = useState<ProblemView>();
  const [isBusy, setBusy] = useState(false);
  const email = useRef<HTMLInputElement>(null);
  useEffect(() => {
    document.title = "Sign in · Millrace";
    email.current?.focus();
  }, []);
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    setBusy(true);
    setProblem(undefined);
    try {
      await signIn(textOf(form, "email"), textOf(form, "password"));
    } catch (error) {
      const found = problemOf(error);
      // The API speaks of tokens; people here have passwords.
      setProblem(found.status === 401 ? { ...found, title: "You are not signed in" } : found);
      setBusy(false);
    }
  };
  return (
    <main class="sign-in">
      <form class="card" onSubmit={(event) => void submit(event)}>
        <div class="brand">
          <img src={icon} alt="" />
          <h1>Sign in to Millrace</h1>
        </div>
        {problem !== undefined && <ProblemNotice problem={problem} />}
        <Field
          label="E-mail"
          control={(ids) => (
            <input
              {...ids}
              ref={email}
              class="input"
              name="email"
              type="email"
              autocomplete="username"
              required
              maxLength={200}
            />
          )}
        />
        <Field
          label="Password"
          control={(ids) => (
            <input
              {...ids}
              class="input"
              name="password"
              type="password"
              autocomplete="current-password"
              required
              maxLength={200}
            />
          )}
        />
        <button type="submit" class="button primary" disabled={isBusy}>
          {isBusy ? "Signing in…" : "Sign in"}
        </button>
        <p class="small muted">
          No account yet? The relay's operator makes one: <code>millrace-relay user create</code>
        </p>
      </form>
    </main>
  );
}

function textOf(form: FormData, name: string): string {
  const value = form.get(name);
  return typeof value === "string" ? value : "";
}
