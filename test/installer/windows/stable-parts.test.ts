// What must never change by itself: names by which Windows knows the product, its service and its files again.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { numericVersion } from "../../../installer/windows/build-host.ts";
import { productSource, UPGRADE_CODE } from "../../../installer/windows/product-source.ts";
import { stableGuid } from "../../../installer/windows/stable-guid.ts";

describe("what Windows knows the product by", () => {
  it("has the upgrade code that every installed product has", () => {
    expect(UPGRADE_CODE).toBe("{D6AB6DF2-A709-5848-AFE0-A17279D0F073}");
  });

  it("makes a version 5 identifier of each name", () => {
    expect(stableGuid("a")).toMatch(
      /^\{[0-9A-F]{8}-[0-9A-F]{4}-5[0-9A-F]{3}-[89AB][0-9A-F]{3}-[0-9A-F]{12}\}$/,
    );
    expect(stableGuid("a")).toBe(stableGuid("a"));
    expect(stableGuid("a")).not.toBe(stableGuid("b"));
  });

  it("gives rights to the service by the identifier that Windows makes of its name", () => {
    const read = (file: string): string =>
      readFileSync(new URL(`../../../installer/windows/host/${file}`, import.meta.url), "utf8");
    const name = /#define SERVICE_NAME L"(\w+)"/.exec(read("host.h"))?.[1] ?? "";
    const hash = createHash("sha1").update(Buffer.from(name.toUpperCase(), "utf16le")).digest();
    const parts = [0, 4, 8, 12, 16].map((at) => hash.readUInt32LE(at));
    expect(read("folders.c")).toContain(`L"S-1-5-80-${parts.join("-")}"`);
  });
});

describe("productSource", () => {
  const source = {
    version: "1.2.3-rc.1",
    numericVersion: "1.2.3",
    files: ["main.mjs", "packs/a&b.yaml"],
    folder: "payload",
    host: "millracesvc.exe",
    actions: "custom-actions.dll",
    commandFile: "millrace-agent.cmd",
    rulesFile: "applocker.xml",
  };

  it("names each file's component by version and path", () => {
    const text = productSource(source);
    expect(text).toContain(stableGuid("versions/1.2.3-rc.1/packs/a&b.yaml"));
    expect(text).toContain('Source="payload/packs/a&amp;b.yaml"');
    expect(productSource({ ...source, version: "1.2.4" })).not.toContain(
      stableGuid("versions/1.2.3-rc.1/main.mjs"),
    );
  });

  it("compares versions by their numbers", () => {
    expect(numericVersion("1.2.3-rc.1")).toBe("1.2.3");
    expect(() => numericVersion("next")).toThrow("does not begin with three numbers");
  });
});
