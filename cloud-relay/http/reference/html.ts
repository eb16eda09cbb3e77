// HTML from templates in which every value is escaped; only what is Html already stays as it is.

export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Value = Html | string | number | undefined | readonly (Html | undefined)[];

/** `html\`<p>${anything}</p>\``: values are escaped, lists are joined, undefined is nothing. */
export function html(parts: TemplateStringsArray, ...values: readonly Value[]): Html {
  return new Html(parts.reduce((all, part, at) => all + written(values[at - 1]) + part));
}

/** Rows under their head, which scroll sideways where the page is narrow. */
export function table(head: readonly string[], rows: readonly Html[]): Html {
  const cells = head.map((name) => html`<th>${name}</th>`);
  return html`<div class="scroll">
    <table>
      <thead>
        <tr>
          ${cells}
        </tr>
      </thead>
      <tbody>
        ${rows}
      </tbody>
    </table>
  </div>`;
}

/** Of descriptions: `code`, **bold**, paragraphs. Nothing else has a meaning. */
export function prose(text: string): Html {
  const paragraphs = text.split(/\n{2,}/).map((paragraph) => new Html(`<p>${inline(paragraph)}</p>`));
  return html`${paragraphs}`;
}

/** One line of prose. */
export function line(text: string): Html {
  return new Html(inline(text));
}

function inline(text: string): string {
  return escape(text)
    .replaceAll(/`([^`]+)`/g, "<code>$1</code>")
    .replaceAll(/\*\*([^*]+)\*\*/g, "<strong>$1</strong>");
}

function written(value: Value): string {
  if (value === undefined) return "";
  if (value instanceof Html) return value.text;
  if (typeof value === "object") return value.map(written).join("");
  return escape(String(value));
}

function escape(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;");
}
