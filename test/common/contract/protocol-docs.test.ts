// docs/protocol.md is what the schemas say.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { CLOSE, DownMessage, UpMessage } from "#common/contract/messages.ts";
import { protocolDocs } from "#test/support/generate-protocol-docs.ts";

describe("docs/protocol.md", () => {
  const generated = protocolDocs();

  it("is up to date; `npm run docs` writes it anew", () => {
    const committed = readFileSync(new URL("../../../docs/protocol.md", import.meta.url), "utf8");
    expect(committed).toBe(generated);
  });

  it("has a section with a purpose for each message, and a meaning for each close code", () => {
    const types = [...UpMessage.anyOf, ...DownMessage.anyOf].map((schema) => schema.properties.type.const);
    for (const type of types)
      expect(generated).toMatch(new RegExp(`### ${type}\\n\\n[A-Z\`][^\\n]+\\n\\n\\| field`));
    for (const [name, code] of Object.entries(CLOSE)) {
      expect(generated).toMatch(new RegExp(`\\| ${code} \\| \`${name}\` \\| [A-Z].+ \\|`));
    }
  });
});
