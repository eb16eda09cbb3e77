// A dialog on top of the screen: the browser keeps the focus in it and closes it by Escape.
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { Icon } from "./icon.tsx";

/** What a dialog begins with: its first field, else its last button, which does what it is for. */
const FIRST =
  ".dialog-body :is(input, select, textarea), .dialog-body:not(:has(input, select, textarea)) + .dialog-foot > :last-child";

export function Dialog(props: {
  readonly title: string;
  /** Also when Escape is pressed. */
  readonly onClose: () => void;
  /** Buttons at the end. */
  readonly actions?: ComponentChildren;
  readonly children: ComponentChildren;
}) {
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
  return (
    <dialog
      ref={ref}
      aria-labelledby={titleId}
      onCancel={(event) => {
        event.preventDefault();
        props.onClose();
      }}
    >
      <div class="dialog-head">
        <h2 id={titleId}>{props.title}</h2>
        <button type="button" class="button quiet square" aria-label="Close" onClick={props.onClose}>
          <Icon name="cross" />
        </button>
      </div>
      <div class="dialog-body">{props.children}</div>
      {props.actions !== undefined && <div class="dialog-foot">{props.actions}</div>}
    </dialog>
  );
}

/** Asks before something that cannot be taken back. */
export function ConfirmDialog(props: {
  readonly title: string;
  readonly action: string;
  readonly isBusy?: boolean;
  readonly onConfirm: () => void;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
}) {
  return (
    <Dialog
      title={props.title}
      onClose={props.onClose}
      actions={
        <>
          <button type="button" class="button" onClick={props.onClose}>
            Cancel
          </button>
          <button
            type="button"
            class="button danger"
            disabled={props.isBusy === true}
            onClick={props.onConfirm}
          >
            {props.action}
          </button>
        </>
      }
    >
      {props.children}
    </Dialog>
  );
}
