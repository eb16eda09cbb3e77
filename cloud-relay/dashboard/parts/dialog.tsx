// A dialog on top of the screen: the browser keeps the focus in it and closes it by Escape.
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { problemOf, type ProblemView } from "../api/problem.ts";
import { Icon } from "./icon.tsx";
import { ProblemNotice } from "./notice.tsx";

/** What a dialog begins with: its first field, else its last button, which does what it is for. */
const FIRST =
  ".dialog-body :is(input, select, textarea), .dialog-body:not(:has(input, select, textarea)) + .dialog-foot > :last-child";

export function Dialog(props: {
  readonly title: string;
  /** Also when Escape is pressed. */
  readonly onClose: () => void;
  /** Makes a form of it: by its button of type `submit`, and by Enter in a field. */
  readonly onSubmit?: () => void;
  /** Buttons at the end; they stay in view. */
  readonly actions?: ComponentChildren;
  readonly children: ComponentChildren;
}) {
  const { title, onClose, onSubmit, actions, children } = props;
  const ref = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  useEffect(() => {
    const before = document.activeElement;
    ref.current?.showModal();
    // The browser would begin with the button that closes it.
    ref.current?.querySelector<HTMLElement>(FIRST)?.focus();
    return () => {
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  const content = (
    <>
      <div class="dialog-body">{children}</div>
      {actions !== undefined && <div class="dialog-foot">{actions}</div>}
    </>
  );
  return (
    <dialog
      ref={ref}
      aria-labelledby={titleId}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <div class="dialog-head">
        <h2 id={titleId}>{title}</h2>
        <button type="button" class="button quiet square" aria-label="Close" onClick={onClose}>
          <Icon name="cross" />
        </button>
      </div>
      {onSubmit === undefined ? (
        <div class="dialog-main">{content}</div>
      ) : (
        <form
          class="dialog-main"
          onSubmit={(event) => {
            event.preventDefault();
            onSubmit();
          }}
        >
          {content}
        </form>
      )}
    </dialog>
  );
}

/** Asks before something is done, or for what it needs; what goes wrong is said in it, and it stays. */
export function AskDialog(props: {
  readonly title: string;
  /** What its button says. */
  readonly action: string;
  /** Of what cannot be taken back. */
  readonly isDanger?: boolean;
  readonly isReady?: boolean;
  /** What the other button says; "Cancel" if not given. */
  readonly leave?: string;
  /** Closes by itself where that is due. What it throws is shown. */
  readonly onAsk: () => Promise<void>;
  readonly onClose: () => void;
  /** A form is given what is wrong with it, for its fields. */
  readonly children: ComponentChildren | ((problem: ProblemView | undefined) => ComponentChildren);
}) {
  const { title, action, isDanger, isReady, leave, onAsk, onClose, children } = props;
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState<ProblemView>();
  const said = useRef<HTMLDivElement>(null);
  // A form may be longer than the screen: what is wrong with it comes into view.
  useEffect(() => {
    const wrong = said.current?.closest("dialog")?.querySelector<HTMLElement>("[aria-invalid=true]");
    (wrong ?? said.current)?.scrollIntoView({ block: "center" });
    wrong?.focus({ preventScroll: true });
  }, [problem]);
  const ask = (): void => {
    if (isBusy || isReady === false) return;
    setBusy(true);
    setProblem(undefined);
    onAsk()
      .catch((error: unknown) => setProblem(problemOf(error)))
      .finally(() => setBusy(false));
  };
  return (
    <Dialog
      title={title}
      onClose={onClose}
      onSubmit={ask}
      actions={
        <>
          <button type="button" class="button" onClick={onClose}>
            {leave ?? "Cancel"}
          </button>
          <button
            type="submit"
            class={isDanger === true ? "button danger" : "button primary"}
            disabled={isBusy || isReady === false}
          >
            {action}
          </button>
        </>
      }
    >
      {problem !== undefined && (
        <div ref={said}>
          <ProblemNotice problem={problem} />
        </div>
      )}
      {typeof children === "function" ? children(problem) : children}
    </Dialog>
  );
}
