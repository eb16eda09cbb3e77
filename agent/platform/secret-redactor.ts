// Takes secrets out of texts that leave this machine for support: known ones in every spelling, unknown ones by their looks.
import { hasSecretName } from "#common/runtime/secret-reference.ts";

/** Shorter ones would blot out ordinary text. */
const MIN_SECRET_CHARS = 4;
/** Below this the middle of a base64 text is too short to be told from others. */
const MIN_SHIFTED_BYTES = 6;
/** A spelling of so many characters is found in any case: percent-encoding and hex are written both ways. */
const MIN_ANY_CASE_CHARS = 8;
/** The beginning of a secret that a text ends with; shorter ones are by chance. */
const MIN_CUT_CHARS = 6;
const REDACTED = "***";

export interface SecretRedactor {
  readonly text: (text: string) => string;
  /** Of JSON: strings and keys; and all of what has a secret's name. */
  readonly value: (value: unknown) => unknown;
}

/** `secrets`: texts that must not leave, whatever holds them. */
export function secretRedactor(secrets: readonly string[]): SecretRedactor {
  const spellings = [...new Set(secrets.flatMap(spellingsOf))].toSorted((a, b) => b.length - a.length);
  const within = new Set(secrets.flatMap(withinBase64));
  const known = [...spellings, ...within].map((spelling) => {
    // The bits at both ends are shared with what stands beside the secret: all of the run goes.
    const [before, after] = within.has(spelling) ? ["[A-Za-z0-9+/_-]*", "[A-Za-z0-9+/_=-]*"] : ["", ""];
    const flags = spelling.length < MIN_ANY_CASE_CHARS ? "g" : "gi";
    return {
      needle: spelling.toLowerCase(),
      pattern: new RegExp(`${before}${escaped(spelling)}${after}`, flags),
    };
  });
  const text = (given: string): string => {
    let cleaned = given;
    // Most spellings of most secrets are in no text: looking for them plainly is many times faster.
    const lower = given.toLowerCase();
    for (const { needle, pattern } of known)
      if (lower.includes(needle)) cleaned = cleaned.replace(pattern, REDACTED);
    for (const [pattern, instead] of LOOKS) cleaned = cleaned.replace(pattern, instead);
    return withoutCutSecret(cleaned, spellings);
  };
  return { text, value: (value) => cleanValue(value, text) };
}

function cleanValue(value: unknown, text: (given: string) => string): unknown {
  if (typeof value === "string") return text(value);
  if (Array.isArray(value)) return value.map((one) => cleanValue(one, text));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      const isSecret = hasSecretName(key) && (typeof inner === "string" || typeof inner === "number");
      return [text(key), isSecret ? REDACTED : cleanValue(inner, text)];
    }),
  );
}

/** Messages are cut at a length, and that may be within a secret: its first part is no less secret. */
function withoutCutSecret(text: string, spellings: readonly string[]): string {
  const end = text.replace(/(?:…|\.\.\.)$/, "");
  for (const spelling of spellings)
    for (let length = Math.min(spelling.length - 1, end.length); length >= MIN_CUT_CHARS; length -= 1)
      if (end.endsWith(spelling.slice(0, length))) return `${end.slice(0, -length)}${REDACTED}`;
  return text;
}

/** How the programs that a secret passes through write it. */
function spellingsOf(secret: string): readonly string[] {
  const plain = secret.trim();
  if (plain.length < MIN_SECRET_CHARS) return [];
  const written = [secret, plain, ...plain.split(/\r?\n/).filter((line) => line.length >= MIN_SECRET_CHARS)];
  return written.flatMap(writings);
}

function writings(one: string): readonly string[] {
  const bytes = Buffer.from(one, "utf8");
  const wide = Buffer.from(one, "utf16le");
  const json = JSON.stringify(one).slice(1, -1);
  return [
    one,
    json,
    JSON.stringify(json).slice(1, -1),
    encodeURIComponent(one),
    encodeURI(one),
    strictlyEncoded(one),
    encodeURIComponent(one).replaceAll("%20", "+"),
    encodeURIComponent(encodeURIComponent(one)),
    one.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;"),
    one.replaceAll("'", "''"),
    one.replaceAll("'", "'\\''"),
    bytes.toString("hex"),
    wide.toString("hex"),
    [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(":"),
    ...bothAlphabets(bytes.toString("base64").replaceAll("=", "")),
    ...bothAlphabets(wide.toString("base64").replaceAll("=", "")),
  ];
}

/** Every byte but letters and digits as %XX (RFC 3986 leaves more as they are). */
function strictlyEncoded(text: string): string {
  return [...Buffer.from(text, "utf8")]
    .map((byte) => {
      const letter = String.fromCharCode(byte);
      return /[A-Za-z0-9]/.test(letter) ? letter : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
    })
    .join("");
}

/** Of what is encoded together with others: there it begins at one of three places of a group. */
function withinBase64(secret: string): readonly string[] {
  const plain = secret.trim();
  return [Buffer.from(plain, "utf8"), Buffer.from(plain, "utf16le")].flatMap((bytes) => {
    if (bytes.length < MIN_SHIFTED_BYTES) return [];
    return [0, 1, 2].flatMap((lead) => {
      const text = Buffer.concat([Buffer.alloc(lead), bytes]).toString("base64");
      // What depends on the neighbours is left away at both ends.
      const from = lead === 0 ? 0 : lead + 1;
      return bothAlphabets(text.slice(from, Math.floor(((lead + bytes.length) * 8) / 6)));
    });
  });
}

/** Base64 of RFC 4648, and that for addresses. */
function bothAlphabets(text: string): readonly string[] {
  return [text, text.replaceAll("+", "-").replaceAll("/", "_")];
}

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\/-]/g, String.raw`\$&`);
}

/** Quoted in JSON, or in JSON within JSON. */
const QUOTE = String.raw`(?:\\*["'])`;
const NAMED =
  "(?:pass(?:word|wd|phrase|code)?|pwd|secret|token|api[_-]?key|private[_-]?key|access[_-]?key|client[_-]?secret|sig(?:nature)?|credential|auth(?:orization)?|code)";

const PAIR = `\\b((?:[\\w-]*[_-])?(?:password|passwd|passphrase|pwd|secret|token|api[_-]?key|private[_-]?key|access[_-]?key)${QUOTE}?\\s*[=:]\\s*)`;

const LOOKS: readonly (readonly [RegExp, string])[] = [
  // PEM private keys, also with their line breaks escaped, also cut off.
  [
    /-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----(?:(?!-----BEGIN)[^])*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|(?=-----BEGIN)|$)/g,
    "*** private key ***",
  ],
  // User and password in a URL. A password may hold anything but a slash or a space, also an @.
  [/([a-z][\w+.-]*:\/\/)[^\s/"'<>]*@(?=[\w[])/gi, `$1${REDACTED}@`],
  // Query strings with names that a key may have.
  [new RegExp(`([?&;]${NAMED}[\\w-]*=)[^\\s;&"'#<>\\\\]+`, "gi"), `$1${REDACTED}`],
  // HTTP's Authorization, in any spelling of it.
  [/\b(Bearer|Basic|Negotiate|NTLM|Digest)(\s+|%20)[A-Za-z0-9+/=._~%-]{8,}/g, `$1$2${REDACTED}`],
  [/((?:proxy-)?authorization\\*["']?\s*[:=]\s*\\*["']?)[^\s\r\n"'\\][^\r\n"'\\]*/gi, `$1${REDACTED}`],
  // Oracle's user/password@host:port/service.
  [/(\b[\w$#]+\/)[^\s/@"'\\]+@(?=(?:\/\/)?[\w.-]+(?::\d+)?\/)/g, `$1${REDACTED}@`],
  // JSON Web Tokens.
  [/\beyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*/g, REDACTED],
  // Millrace's own: API tokens, enrolment codes, webhook secrets.
  [/\bmr_(?:live|test|ws|admin|session)_?[A-Za-z0-9_-]{6,}/g, REDACTED],
  [/\bmre_[A-Za-z0-9_-]{6,}/g, REDACTED],
  [/\bwhsec_[A-Za-z0-9+/=_-]{6,}/g, REDACTED],
  // name=value and name: value as in connection strings, command lines and logs; quoted, then bare.
  [new RegExp(`${PAIR}(${QUOTE})(?:(?!\\2)[^\\r\\n])*(\\2)`, "gi"), `$1$2${REDACTED}$3`],
  [new RegExp(`${PAIR}\\{[^}]*\\}`, "gi"), `$1${REDACTED}`],
  [new RegExp(`${PAIR}(?!\\\\*["'])[^\\s;,&"'<>(){}\\\\]+`, "gi"), `$1${REDACTED}`],
];
