// References to secrets in configuration files: `{file:…}`, `{env:…}`, `{credential:…}`.

export interface SecretReference {
  /** `credential` is a file in the folder that systemd names in CREDENTIALS_DIRECTORY. */
  readonly scheme: "file" | "env" | "credential";
  readonly name: string;
}

/** Reads what a reference points to; never throws. Passed in by the edge. */
export type SecretReader = (
  reference: SecretReference,
) => { readonly ok: true; readonly value: string } | { readonly ok: false; readonly message: string };

/** Names of settings whose text is masked although no schema says that it is secret (connectors' own settings). */
const SECRET_NAME = /pass(word|wd|phrase)?|secret|token|private.?key|api.?key|credential/i;

export function hasSecretName(name: string): boolean {
  return SECRET_NAME.test(name);
}

/**
 * The reference that a value is, if it is one. Unquoted, YAML reads `{env:NAME}` as a mapping with the one key
 * `env:NAME` and no value; what was meant is plain, so both forms count.
 */
export function asSecretReference(value: unknown): SecretReference | undefined {
  let text: string | undefined;
  if (typeof value === "string") text = /^\{(.+)\}$/.exec(value.trim())?.[1];
  else if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    const [first, ...others] = Object.entries(value);
    if (first !== undefined && others.length === 0 && first[1] === null) text = first[0];
  }
  const match = /^(file|env|credential):(.+)$/.exec(text ?? "");
  if (match?.[1] === undefined || match[2] === undefined) return undefined;
  return { scheme: match[1] as SecretReference["scheme"], name: match[2].trim() };
}

/** The user's password in a URL, masked. */
export function maskUrlPassword(text: string): string {
  return text.replaceAll(/(\w+:\/\/[^\s:@/]*):[^\s@/]+@/g, "$1:***@");
}
