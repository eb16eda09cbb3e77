// What `npm run package` is asked for: read from its arguments, every mistake said in a sentence.
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { messageOf } from "#common/runtime/errors.ts";
import { didYouMean } from "#common/runtime/nearest-match.ts";
import { BuildError } from "./build-error.ts";
import { PLATFORMS, PRODUCTS, type Platform, type Product } from "./platforms.ts";

const KINDS = ["deb", "rpm", "tar", "msi"] as const;
export type PackageKind = (typeof KINDS)[number];

export interface PackageOrder {
  /** In the order of platforms.ts. */
  readonly builds: readonly PackageBuild[];
  /** Absolute. */
  readonly out: string;
  /** Compressed for those who download it, signed by a key that they know, built from a commit. */
  readonly isRelease: boolean;
}

/** Packages of one payload. */
export interface PackageBuild {
  readonly product: Product;
  readonly platform: Platform;
  readonly kinds: readonly PackageKind[];
}

export const USAGE = `npm run package -- [options]
  --only deb,rpm,tar,msi      kinds of packages; default: all
  --product agent,relay       default: both
  --platform linux-x64,…      ${PLATFORMS.join(", ")}; default: all
  --out <folder>              default: dist
  --release                   small instead of quick; needs MILLRACE_SIGNING_KEY_FILE and a commit without changes
`;

/** Undefined: help is asked for. @throws BuildError for a word that is not known, and for an order of nothing */
export function readPackageOrder(args: readonly string[]): PackageOrder | undefined {
  const values = parsed(args);
  if (values.help === true) return undefined;
  const kinds = listed("--only", values.only, KINDS);
  const products = listed("--product", values.product, PRODUCTS);
  const platforms = listed("--platform", values.platform, PLATFORMS);
  const builds = products
    .flatMap((product) =>
      platforms.map((platform) => {
        const possible = kindsOf(product, platform);
        return { product, platform, kinds: possible.filter((kind) => kinds.includes(kind)) };
      }),
    )
    .filter((build) => build.kinds.length > 0);
  if (builds.length === 0)
    throw new BuildError(
      "nothing is left to build: .msi is of the agent for win-x64, the others are for Linux",
    );
  return { builds, out: resolve(values.out ?? "dist"), isRelease: values.release === true };
}

/** The relay is for Linux. */
function kindsOf(product: Product, platform: Platform): readonly PackageKind[] {
  if (platform !== "win-x64") return ["deb", "rpm", "tar"];
  return product === "agent" ? ["msi"] : [];
}

function parsed(args: readonly string[]) {
  const text = { type: "string" } as const;
  const flag = { type: "boolean" } as const;
  try {
    return parseArgs({
      args: [...args],
      options: { only: text, product: text, platform: text, out: text, release: flag, help: flag },
    }).values;
  } catch (error) {
    throw new BuildError(`${messageOf(error)}\n${USAGE}`, { cause: error });
  }
}

function listed<Word extends string>(
  option: string,
  text: string | undefined,
  known: readonly Word[],
): readonly Word[] {
  if (text === undefined) return known;
  const words = text.split(",").map((word) => word.trim());
  for (const word of words)
    if (!known.some((each) => each === word))
      throw new BuildError(`${option}: "${word}" is none of ${known.join(", ")}${didYouMean(word, known)}`);
  return known.filter((each) => words.includes(each));
}
