// The bill of materials of a payload: CycloneDX 1.6, what is in the bundle and nothing else.
import { createHash } from "node:crypto";
import type { BundledPackage } from "./bundled-packages.ts";
import { NODE_VERSION, PLATFORM_FACTS, type Platform, type Product } from "./platforms.ts";

export interface SbomRequest {
  readonly product: Product;
  readonly platform: Platform;
  readonly version: string;
  readonly epochSeconds: number;
  readonly packages: readonly BundledPackage[];
  /** Folders of the packages that the product's own sources import. */
  readonly direct: readonly string[];
}

/** JSON text; the same for the same request. */
export function sbomText(request: SbomRequest): string {
  const { product, platform, version, epochSeconds, packages, direct } = request;
  const root = `millrace-${product}@${version}`;
  const refs = new Map(packages.map((each) => [each.folder, refOf(each, packages)]));
  const refsOf = (folders: readonly string[]): readonly string[] =>
    [...new Set(folders.flatMap((folder) => refs.get(folder) ?? []))].sort();
  const node = nodeComponent(platform);
  const document = {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: {
      timestamp: new Date(epochSeconds * 1000).toISOString(),
      component: {
        type: "application",
        "bom-ref": root,
        name: `millrace-${product}`,
        version,
        licenses: [{ license: { id: "Apache-2.0" } }],
      },
      properties: [{ name: "millrace:platform", value: platform }],
    },
    components: [node, ...packages.map((each) => packageComponent(each, refs.get(each.folder) ?? ""))],
    dependencies: [
      { ref: root, dependsOn: [node["bom-ref"], ...refsOf(direct)] },
      { ref: node["bom-ref"], dependsOn: [] },
      ...packages.map(({ folder, takes }) => ({ ref: refs.get(folder) ?? "", dependsOn: refsOf(takes) })),
    ],
  };
  const text = JSON.stringify(document);
  return `${JSON.stringify({ serialNumber: `urn:uuid:${uuidOf(text)}`, ...document }, null, 2)}\n`;
}

/** A second copy of the same version, in another place, needs a name of its own. */
function refOf(each: BundledPackage, all: readonly BundledPackage[]): string {
  const isSingle =
    all.filter(({ name, version }) => name === each.name && version === each.version).length === 1;
  return isSingle ? purl(each) : `${purl(each)}#${each.folder}`;
}

function purl({ name, version }: BundledPackage): string {
  return `pkg:npm/${name.replace("@", "%40")}@${version}`;
}

function packageComponent(each: BundledPackage, ref: string): object {
  const { name, version, license, integrity } = each;
  const [algorithm = "", digest = ""] = integrity?.split("-") ?? [];
  const isHashed = algorithm === "sha512";
  const isPlainId = /^[A-Za-z0-9.-]+$/.test(license);
  return {
    type: "library",
    "bom-ref": ref,
    name,
    version,
    purl: purl(each),
    licenses: [isPlainId ? { license: { id: license } } : { expression: license }],
    ...(isHashed
      ? { hashes: [{ alg: "SHA-512", content: Buffer.from(digest, "base64").toString("hex") }] }
      : {}),
  };
}

function nodeComponent(platform: Platform) {
  const { executable, runtimeSha256 } = PLATFORM_FACTS[platform];
  return {
    type: "platform",
    "bom-ref": `pkg:generic/node@${NODE_VERSION}`,
    name: "node",
    version: NODE_VERSION,
    purl: `pkg:generic/node@${NODE_VERSION}`,
    description: `The runtime, as ${executable}`,
    hashes: [{ alg: "SHA-256", content: runtimeSha256 }],
    licenses: [{ license: { id: "MIT" } }],
  };
}

/** Named by what it says, in the form of a name-based UUID (RFC 9562, version 8). */
function uuidOf(text: string): string {
  const hex = createHash("sha256").update(text).digest("hex");
  const variant = ((Number.parseInt(hex.slice(16, 17), 16) & 3) | 8).toString(16);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    variant + hex.slice(17, 20),
    hex.slice(20, 32),
  ].join("-");
}
