// JSON, readable, with a button that copies all of it.
import { CopyButton } from "./copy-button.tsx";
import { jsonPieces, jsonText, MAX_SHOWN_CHARACTERS } from "./json-text.ts";

/** `value`: anything JSON can say; a text is shown as it is. */
export function JsonView({ value, label }: { readonly value: unknown; readonly label: string }) {
  const text = typeof value === "string" ? value : jsonText(value);
  return (
    <div class="command">
      <pre class="json" tabIndex={0} role="region" aria-label={label}>
        {jsonPieces(text).map(({ kind, text: piece }, index) =>
          kind === "plain" ? (
            piece
          ) : (
            <span key={index} class={`json-${kind}`}>
              {piece}
            </span>
          ),
        )}
        {text.length > MAX_SHOWN_CHARACTERS && "\n… the rest is only in the copy"}
      </pre>
      <CopyButton text={text} label={`Copy ${label}`} />
    </div>
  );
}
