// The committed OpenAPI document passes Spectral with OWASP's rules and Redocly's strict ones, and the tools do bite.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hasTools, OPENAPI_FILE, runTool } from "./tools.ts";

const SPECTRAL = "@stoplight/spectral-cli/dist/index.js";
const REDOCLY = "@redocly/cli/bin/cli.js";

interface Spoilable {
  readonly paths: Record<string, Record<string, { security: object[]; operationId: string }>>;
  readonly components: {
    readonly schemas: Record<string, { readonly properties: Record<string, { maxLength?: number }> }>;
  };
}

describe.skipIf(!hasTools)("the OpenAPI document", () => {
  let folder = "";
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "millrace-contracts-"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const spectral = (file: string) =>
    runTool(SPECTRAL, ["lint", file, "-r", "spectral.yaml", "--fail-severity", "warn", "-f", "text"]);
  const redocly = (file: string) => runTool(REDOCLY, ["lint", "--config", "redocly.yaml", file]);

  /** The document with one thing spoilt. */
  function spoilt(spoil: (document: Spoilable) => void): string {
    const document = JSON.parse(readFileSync(OPENAPI_FILE, "utf8")) as Spoilable;
    spoil(document);
    const file = join(folder, "openapi.json");
    writeFileSync(file, JSON.stringify(document));
    return file;
  }

  it("is clean by Spectral with the OWASP rules", async () => {
    const { code, output } = await spectral(OPENAPI_FILE);
    expect(output).toContain("No results with a severity of 'warn' or higher found!");
    expect(code).toBe(0);
  });

  it("is clean by Redocly's strict rules", async () => {
    const { code, output } = await redocly(OPENAPI_FILE);
    expect(output).toContain("is valid");
    expect(code).toBe(0);
  });

  it("would not be clean with a route that needs no token, or a text without an end", async () => {
    const open = await spectral(
      spoilt(({ paths }) => Object.assign(paths["/v1/vendors"]?.["get"] ?? {}, { security: [] })),
    );
    expect(open.output).toContain("owasp:api2:2023-read-restricted");
    expect(open.code).not.toBe(0);
    const endless = await spectral(
      spoilt(({ components }) => delete components.schemas["Problem"]?.properties["detail"]?.maxLength),
    );
    expect(endless.output).toContain("owasp:api4:2023-string-limit");
  });

  it("would not be clean with two operations of one name", async () => {
    const twice = await redocly(
      spoilt(({ paths }) =>
        Object.assign(paths["/v1/vendors"]?.["get"] ?? {}, { operationId: "listAssets" }),
      ),
    );
    expect(twice.output).toContain("operation-operationId-unique");
    expect(twice.code).not.toBe(0);
  });
});
