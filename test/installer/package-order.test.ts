// What `npm run package` makes of its arguments.
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { readPackageOrder } from "../../installer/package-order.ts";

function built(...args: readonly string[]): readonly string[] {
  const { builds } = readPackageOrder(args) ?? { builds: [] };
  return builds.map(({ product, platform, kinds }) => `${product} ${platform} ${kinds.join("+")}`);
}

describe("an order", () => {
  it("is everything, quickly, into dist, when nothing is said", () => {
    expect(built()).toEqual([
      "agent linux-x64 deb+rpm+tar",
      "agent linux-arm64 deb+rpm+tar",
      "agent win-x64 msi",
      "relay linux-x64 deb+rpm+tar",
      "relay linux-arm64 deb+rpm+tar",
    ]);
    expect(readPackageOrder([])).toMatchObject({ out: resolve("dist"), isRelease: false });
  });

  it("leaves out what was not asked for, and platforms of which nothing is left", () => {
    expect(built("--only", "msi")).toEqual(["agent win-x64 msi"]);
    expect(built("--only", "tar,deb", "--platform", "linux-arm64,win-x64")).toEqual([
      "agent linux-arm64 deb+tar",
      "relay linux-arm64 deb+tar",
    ]);
    expect(built("--product", "relay", "--platform", "linux-x64")).toEqual(["relay linux-x64 deb+rpm+tar"]);
  });

  it("says which word it does not know, and what was meant", () => {
    expect(() => built("--platform", "linux-x46")).toThrow(/"linux-x46".*did you mean "linux-x64"/);
    expect(() => built("--only", "deb,exe")).toThrow(/--only: "exe" is none of deb, rpm, tar, msi/);
    expect(() => built("--fast")).toThrow(/--fast/);
    expect(() => built("--product", "relay", "--only", "msi")).toThrow("nothing is left to build");
  });

  it("is no order when help is asked for", () => {
    expect(readPackageOrder(["--help"])).toBeUndefined();
  });
});
