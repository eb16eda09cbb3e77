// Secrets taken out of texts: known ones in every spelling, unknown ones by their looks, and nothing else.
import { describe, expect, it } from "vitest";
import { embeddedSecrets } from "#agent/platform/known-secrets.ts";
import { secretRedactor } from "#agent/platform/secret-redactor.ts";

const SECRET = `pa ss/+"wörd'%;=@`;
const { text, value } = secretRedactor([SECRET]);

describe("known secrets", () => {
  const bytes = Buffer.from(SECRET);
  it.each([
    ["as they are", SECRET],
    ["in JSON", JSON.stringify(SECRET).slice(1, -1)],
    ["in JSON within JSON", JSON.stringify(JSON.stringify(SECRET).slice(1, -1)).slice(1, -1)],
    ["in an address", encodeURIComponent(SECRET)],
    ["in an address, small letters", encodeURIComponent(SECRET).toLowerCase()],
    ["in a form", encodeURIComponent(SECRET).replaceAll("%20", "+")],
    ["in SQL", SECRET.replaceAll("'", "''")],
    ["in base64", bytes.toString("base64")],
    ["in base64 for addresses", bytes.toString("base64url")],
    ["in hex", bytes.toString("hex").toUpperCase()],
    ["in UTF-16, hex", Buffer.from(SECRET, "utf16le").toString("hex")],
    ["in base64 with others", Buffer.from(`mill:${SECRET}`).toString("base64")],
    ["in UTF-16, base64 with others", Buffer.from(`mill:${SECRET}`, "utf16le").toString("base64")],
    ["in upper case", SECRET.toUpperCase()],
  ])("go %s", (_how, written) => {
    expect(text(`before ${written} after`)).toMatch(/^before \*\*\*=* after$/);
  });

  it("go also where a message was cut within them", () => {
    expect(text(`login as mill with ${SECRET.slice(0, 9)}…`)).toBe("login as mill with ***");
  });

  it("that are too short to be told from words stay", () => {
    expect(secretRedactor(["abc", ""]).text("abc abcd")).toBe("abc abcd");
  });
});

describe("what looks like a secret", () => {
  it.each([
    ["Server=db;Password=x1;Encrypt=true", "Server=db;Password=***;Encrypt=true"],
    ["pwd={a;b};Database=erp", "pwd=***;Database=erp"],
    ['{"password":"x","n":1}', '{"password":"***","n":1}'],
    [String.raw`{"m":"{\"api_key\": \"x\"}"}`, String.raw`{"m":"{\"api_key\": \"***\"}"}`],
    ["http://mill:p@ss@proxy:3128/", "http://***@proxy:3128/"],
    ["https://api.example/?a=1&access_token=x&b=2", "https://api.example/?a=1&access_token=***&b=2"],
    ["reader/tiger@db.example:1521/ERP", "reader/***@db.example:1521/ERP"],
    ["Authorization: Basic bWlsbDp4", "Authorization: ***"],
    ["with Bearer abcdefgh12345 now", "with Bearer *** now"],
    [
      "key -----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY----- end",
      "key *** private key *** end",
    ],
    [String.raw`"-----BEGIN PRIVATE KEY-----\nMII`, '"*** private key ***'],
    ["whsec_MfKQ9r8GKYqrTwjU", "***"],
    ["mr_live_0123456789abcdefghijABCDEFGHIJ01234567", "***"],
    ["mre_0123456789ABCDEFGHJKMNPQRS_x", "***"],
    ["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc", "***"],
  ])("goes: %s", (given, expected) => {
    expect(text(given)).toBe(expected);
  });

  it.each([
    "reauthorization_required: check user in this connection's settings",
    'millrace_agent_connection_backlog_bytes{connection="erp"} 12',
    "C:\\Program Files\\Millrace Agent\\versions\\0.1.0\\main.mjs",
    "file:///usr/lib/millrace-agent/current/main.mjs:12:4",
    "2026-05-04T10:00:00Z erp: first record read in 12 ms",
    "certificate SHA-256 AB:CD:EF, 3f8c2b6a9d1e4f70",
  ])("and this stays: %s", (given) => {
    expect(text(given)).toBe(given);
  });
});

it("takes members with a secret's name out of JSON, whatever they hold", () => {
  const given = { password: "x", pin: 4711, nested: [{ api_key: 12 }], keys: ["a"], [SECRET]: SECRET };
  expect(value(given)).toEqual({
    password: "***",
    pin: 4711,
    nested: [{ api_key: "***" }],
    keys: ["a"],
    "***": "***",
  });
});

it("finds the passwords within connection strings", () => {
  expect(embeddedSecrets("postgresql://mill:p%40ss@db/erp")).toContain("p@ss");
  expect(embeddedSecrets("Server=db;Password={a;b};User=x")).toContain("a;b");
  expect(embeddedSecrets("reader/tiger@db:1521/ERP")).toContain("tiger");
});
