// HTML from templates in which every value is escaped unless it is HTML already.
import { MillraceError } from "#common/runtime/errors.ts";

/** Text that needs no more escaping; made by `html` and `raw` alone. */
export class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

type Value = string | number | Html | readonly Html[];

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};
/** Nothing that an agent says of itself is longer; what comes from outside might be. */
const MAX_VALUE_CHARS = 4_000;

export function html(parts: TemplateStringsArray, ...values: readonly Value[]): Html {
  return new Html(String.raw({ raw: parts }, ...values.map(textOf)));
}

/** For text of our own, such as a style sheet. @throws MillraceError where it could end its element */
export function raw(text: string): Html {
  if (text.includes("</"))
    throw new MillraceError("text that is put into a page as it is must not hold a closing tag");
  return new Html(text);
}

/** Without a space around it: a policy of the page names the sheet by its hash. */
export function styleElement(sheet: string): Html {
  return new Html(`<style>${raw(sheet).text}</style>`);
}

function textOf(value: Value): string {
  if (value instanceof Html) return value.text;
  if (typeof value === "object") return value.map(({ text }) => text).join("");
  const text = String(value);
  const short = text.length > MAX_VALUE_CHARS ? `${text.slice(0, MAX_VALUE_CHARS)}…` : text;
  return short.replaceAll(/[&<>"']/g, (character) => ESCAPES[character] ?? "");
}
