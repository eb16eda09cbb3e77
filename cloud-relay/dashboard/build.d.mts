// What tests and the demo take from the build.
export const DIST: string;
export function buildDashboard(options?: { outDir?: string; isWatching?: boolean }): Promise<void>;
export function isStale(): boolean;
export function firstLoad(outDir?: string): readonly string[];
