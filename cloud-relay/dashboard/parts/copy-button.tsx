// Copies a text, and says so; and a command to copy.
import { useState } from "preact/hooks";
import { Icon } from "./icon.tsx";
import { toast } from "./toast.tsx";

const SAID_MS = 2_000;

export function CopyButton({ text, label = "Copy" }: { readonly text: string; readonly label?: string }) {
  const [isCopied, setCopied] = useState(false);
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      setCopied(true);
      setTimeout(() => setCopied(false), SAID_MS);
    } catch {
      toast("bad", "The browser does not allow copying here: mark the text and copy it yourself.");
    }
  };
  return (
    <button
      type="button"
      class="button quiet square"
      title={label}
      aria-label={label}
      onClick={() => void copy()}
    >
      <Icon name={isCopied ? "check" : "copy"} />
      <span class="visually-hidden" role="status">
        {isCopied ? "Copied" : ""}
      </span>
    </button>
  );
}

/** A command, or any text that is taken elsewhere. */
export function Command({
  text,
  label = "Copy the command",
}: {
  readonly text: string;
  readonly label?: string;
}) {
  return (
    <div class="command">
      <pre>{text}</pre>
      <CopyButton text={text} label={label} />
    </div>
  );
}
