// Takes secrets out of what is kept for people to look at: the request log and whatever else shows foreign text.

export const REDACTED = "[redacted]";

/** Tokens, enrolment codes and webhook secrets by their looks; bearer credentials; passwords in addresses. */
const SECRET_TEXTS: readonly RegExp[] = [
  /\bmr_(?:live|test|ws|admin)_[0-9A-Za-z]+/g,
  /\bmre_[0-9A-Za-z_-]+/g,
  /\bmrc_[0-9A-Za-z_-]+/g,
  /\bwhs(?:ec|k)_[0-9A-Za-z+/=]+/g,
  /(?<=\b(?:Bearer|Basic) )[0-9A-Za-z._~+/=-]+/gi,
  /(?<=:\/\/[^/\s:@]*:)[^@\s/]+(?=@)/g,
];
/** Members and parameters whose name says that they hold a secret. */
const SECRET_NAME =
  /pass(?:word|phrase|wd)|secret|token|authorization|credential|api[-_]?key|private[-_]?key/i;
/** Names that only sound like it. */
const HARMLESS_NAME = /^(?:token_id|tokens?_count|next_token)$/i;
/** JSON nested deeper than this is not shown. */
const MAX_DEPTH = 20;

/** Text without secrets that are known by their looks. */
export function redactText(text: string): string {
  return SECRET_TEXTS.reduce((rest, pattern) => rest.replaceAll(pattern, REDACTED), text);
}

/** A JSON value without secrets, by names and by looks. */
export function redactValue(value: unknown, depth = 0): unknown {
  if (typeof value === "string") return redactText(value);
  if (typeof value !== "object" || value === null) return value;
  if (depth >= MAX_DEPTH) return REDACTED;
  if (Array.isArray(value)) return value.map((item) => redactValue(item, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name,
      isSecretName(name) && inner !== null ? REDACTED : redactValue(inner, depth + 1),
    ]),
  );
}

/** A query string, or a whole path with one. */
export function redactUrl(url: string): string {
  const at = url.indexOf("?");
  if (at < 0) return redactText(url);
  const parameters = url.slice(at + 1).split("&");
  const shown = parameters.map((parameter) => {
    const [name = ""] = parameter.split("=");
    return isSecretName(name) && parameter.includes("=") ? `${name}=${REDACTED}` : redactText(parameter);
  });
  return `${redactText(url.slice(0, at))}?${shown.join("&")}`;
}

function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name) && !HARMLESS_NAME.test(name);
}
