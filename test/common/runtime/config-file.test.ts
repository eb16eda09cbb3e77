// Configuration documents: values, defaults, secrets, and every problem at once with its place.
import { Type } from "typebox";
import { describe, expect, it } from "vitest";
import { LineCounter, parseDocument } from "yaml";
import { checkConfig, type ConfigResult } from "#common/runtime/config-file.ts";
import { Duration, Secret, Size } from "#common/runtime/config-schema.ts";
import type { SecretReader } from "#common/runtime/secret-reference.ts";
import { readYamlDocument } from "#common/runtime/yaml-document.ts";

const schema = Type.Object(
  {
    name: Type.String({ minLength: 1 }),
    port: Type.Integer({ minimum: 0, maximum: 65_535, default: 8080 }),
    wait: Duration({ description: "", default: "30s", minimum: "1s", maximum: "1h" }),
    size: Type.Optional(Size({ description: "" })),
    password: Type.Optional(Secret({ description: "" })),
    mode: Type.Union([Type.Literal("fast"), Type.Literal("slow")], { default: "fast" }),
    poll: Type.Optional(
      Type.Union([Duration({ description: "" }), Type.Record(Type.String(), Duration({ description: "" }))]),
    ),
    nested: Type.Object(
      { on: Type.Boolean({ default: true }) },
      { additionalProperties: false, default: {} },
    ),
    list: Type.Array(Type.Object({ id: Type.String() }, { additionalProperties: false }), { default: [] }),
    settings: Type.Unknown({ default: {} }),
  },
  { additionalProperties: false },
);

const readSecret: SecretReader = ({ scheme, name }) =>
  name === "GOOD" || name === "9090"
    ? { ok: true, value: name === "GOOD" ? "hunter2" : "9090" }
    : { ok: false, message: `no ${scheme} ${name}` };

function check(text: string): ConfigResult<Record<string, unknown>> {
  return checkConfig(
    readYamlDocument({ LineCounter, parseDocument }, text, "agent.yaml"),
    schema,
    readSecret,
  );
}

function issuesOf(
  text: string,
): readonly { path: string; line?: number; column?: number; message: string }[] {
  const result = check(text);
  if (result.ok) throw new Error("expected problems");
  return result.issues;
}

function valueOf(text: string): Record<string, unknown> {
  const result = check(text);
  if (!result.ok) throw new Error(JSON.stringify(result.issues));
  return result.value;
}

describe("values", () => {
  it("fills in defaults through the same units as what is written", () => {
    expect(valueOf("name: a")).toEqual({
      name: "a",
      port: 8080,
      wait: 30_000,
      mode: "fast",
      nested: { on: true },
      list: [],
      settings: {},
    });
  });

  it("reads durations and sizes, alone or by name", () => {
    const value = valueOf("name: a\nwait: 5m\nsize: 512MiB\npoll: { default: 2s, asset: 1m }");
    expect(value).toMatchObject({
      wait: 300_000,
      size: 536_870_912,
      poll: { default: 2_000, asset: 60_000 },
    });
    expect(valueOf("name: a\npoll: 250ms")["poll"]).toBe(250);
  });

  it("keeps a setting called __proto__ as plain data", () => {
    const settings = valueOf("name: a\nsettings: { __proto__: { polluted: true } }")["settings"];
    expect(Object.keys(settings as object)).toEqual(["__proto__"]);
    expect({}).not.toHaveProperty("polluted");
  });
});

describe("problems", () => {
  it("are reported all at once, with file, line, column, expected unit and nearest match", () => {
    const issues = issuesOf(
      [
        "nmae: plant",
        "port: 70000",
        "wait: 30",
        "mode: fats",
        "nested: { onn: true }",
        "list:",
        "  - id: 7",
        "  - {}",
      ].join("\n"),
    );
    expect(issues.map(({ path, line, column }) => [path, line, column])).toEqual([
      ["nmae", 1, 1],
      ["port", 2, 7],
      ["wait", 3, 7],
      ["mode", 4, 7],
      ["nested.onn", 5, 11],
      ["list[0].id", 7, 9],
      ["list[1].id", 8, 5],
      ["name", 1, 1],
    ]);
    const byPath = new Map(issues.map((issue) => [issue.path, issue.message]));
    expect(byPath.get("nmae")).toContain('did you mean "name"?');
    expect(byPath.get("port")).toBe("expected a whole number from 0 to 65535, not 70000");
    expect(byPath.get("wait")).toContain('add a unit, e.g. "30s"');
    expect(byPath.get("mode")).toContain('did you mean "fast"?');
    expect(byPath.get("list[0].id")).toContain("put it in quotes");
    expect(byPath.get("name")).toContain("missing");
  });

  it.each([
    ["name: a\nwait: 500ms", "expected at least 1s"],
    ["name: a\nwait: 2h", "expected at most 1h"],
    ["name: a\npoll: 25d", "expected at most 24d"],
    ["name: a\npoll: [1s]", "a mapping by name"],
    ["name: a\nnested: 3", "expected a mapping"],
    ["name: a\nlist: {}", "expected a list"],
    ["- a", "expected a mapping"],
    ['name: ""', "text, not empty"],
  ])("%j: %s", (text, message) => expect(issuesOf(text)[0]?.message).toContain(message));

  it("tells where the YAML itself is broken", () => {
    const issues = issuesOf("name: a\nname: b\nlist: [1");
    expect(issues.map(({ line }) => line)).toEqual([2, 3]);
    expect(issues[0]?.message).toContain("not valid YAML");
  });
});

describe("secrets", () => {
  it("are resolved wherever they stand, quoted or not, and masked in the summary", () => {
    const result = check(
      'name: a\npassword: {env:GOOD}\nport: "{env:9090}"\nsettings: { db: { pass: "{file:GOOD}" }, url: "pg://u:pw@h/x" }',
    );
    if (!result.ok) throw new Error(JSON.stringify(result.issues));
    expect(result.value).toMatchObject({
      password: "hunter2",
      port: 9090,
      settings: { db: { pass: "hunter2" } },
    });
    expect(result.secrets).toContain("hunter2");
    const summary = result.summary.join("\n");
    expect(summary).not.toMatch(/hunter2|pw@/);
    expect(summary).toContain("password = *** from {env:GOOD}");
    expect(summary).toContain("pg://u:***@h/x");
  });

  it("masks plain passwords by the schema and by their name", () => {
    const result = check("name: a\npassword: plain1\nsettings: { api_key: plain2, host: h }");
    if (!result.ok) throw new Error(JSON.stringify(result.issues));
    expect(result.summary.join()).not.toMatch(/plain\d/);
    expect(result.summary.join()).toContain('settings.host = "h"');
    expect(result.secrets).toEqual(["plain1", "plain2"]);
  });

  it("that cannot be read are problems, and their text never shows in one", () => {
    expect(issuesOf('name: a\npassword: "{credential:NONE}"')[0]).toMatchObject({
      path: "password",
      line: 2,
      message: "{credential:NONE} cannot be read: no credential NONE",
    });
    const wrong = issuesOf('name: a\nwait: "{env:GOOD}"')[0]?.message;
    expect(wrong).toContain("does not fit here");
    expect(wrong).not.toContain("hunter2");
  });
});
