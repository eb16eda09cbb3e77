// The client's types are those of the committed OpenAPI document.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { hasTools, OPENAPI_FILE, runTool } from "./tools.ts";

describe.skipIf(!hasTools)("cloud-relay/client/api.d.ts", () => {
  it("is made from docs/openapi.json (npm run client)", async () => {
    const { code, output } = await runTool("openapi-typescript/bin/cli.js", [OPENAPI_FILE]);
    expect(code).toBe(0);
    const committed = readFileSync(resolve(import.meta.dirname, "../../cloud-relay/client/api.d.ts"), "utf8");
    // The tool's banner comes on the other stream.
    expect(output.includes(committed.trim())).toBe(true);
  });
});
