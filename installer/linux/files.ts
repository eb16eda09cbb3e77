// What a Linux package puts down besides the payload, and what it says about itself: the same for .deb and .rpm.
import { readFileSync } from "node:fs";
import type { Product } from "../platforms.ts";
import { linuxLayout } from "./layout.ts";

export interface PackagedFile {
  /** Absolute, on the machine that it is installed on. */
  readonly path: string;
  readonly mode: number;
  readonly content: string;
}

/**
 * Everything belongs to root:root in the package. The payload goes to `<programs>/versions/<version>/`: files 0644, `node`
 * 0750; postinst gives `node` to the account's group, which exists only then.
 */
export function linuxFiles(product: Product): readonly PackagedFile[] {
  const { name, unit, defaultConfigFile } = linuxLayout(product);
  const file = (path: string, mode: number, source: string): PackagedFile => ({
    path,
    mode,
    content: readFileSync(new URL(`${product}/${source}`, import.meta.url), "utf8"),
  });
  return [
    file(`/usr/bin/${name}`, 0o755, `${name}.sh`),
    file(`/usr/lib/systemd/system/${unit}`, 0o644, unit),
    file(defaultConfigFile, 0o644, `${product}.yaml`),
  ];
}

export interface PackageFacts {
  readonly summary: string;
  /** Paragraphs of plain text. */
  readonly description: string;
  readonly debDepends: readonly string[];
  readonly rpmRequires: readonly string[];
  /** What rpm's scriptlets need before the package's files are there. */
  readonly rpmRequiresPre: readonly string[];
}

/** The floors are those of the runtime and of the SQLite addon: Debian 12, Ubuntu 22.04, RHEL 9 and newer. */
export function packageFacts(product: Product): PackageFacts {
  const { summary, description } = TEXTS[product];
  return {
    summary,
    description,
    debDepends: [
      "libc6 (>= 2.34)",
      "libstdc++6 (>= 11)",
      "libgcc-s1",
      "passwd",
      "systemd",
      "util-linux (>= 2.33)",
    ],
    rpmRequires: ["glibc >= 2.34", "libstdc++ >= 11", "libgcc", "systemd", "util-linux"],
    rpmRequiresPre: ["shadow-utils"],
  };
}

const TEXTS: Readonly<Record<Product, { summary: string; description: string }>> = {
  agent: {
    summary: "carries a plant's changes to a Millrace relay",
    description:
      "Reads the local ERP and CMMS databases and OPC UA servers of a plant, keeps every change on disk until it is safely delivered, and talks to a Millrace relay over one outbound connection. Nothing ever connects inwards.",
  },
  relay: {
    summary: "keeps plants' unified records and serves them by an API",
    description:
      "The relay of Millrace: takes what the agents in plants send, keeps the unified records, and serves a REST API, signed webhooks and a dashboard.",
  },
};
