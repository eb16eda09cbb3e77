// The whole suite over one harness.
import { describe } from "vitest";
import { describeChanges } from "./changes-suite.ts";
import { describeFailures } from "./failures-suite.ts";
import type { ConnectorHarness } from "./harness.ts";
import { describePasses } from "./passes-suite.ts";
import { describePlans } from "./plans-suite.ts";
import { describeQueries } from "./queries-suite.ts";
import { describeRowWrites } from "./rows-suite.ts";
import { describeValues } from "./values-suite.ts";
import { describeWallClocks } from "./wall-clock-suite.ts";
import { describeWindows } from "./window-suite.ts";
import { describeWrites } from "./writes-suite.ts";

export function describeConnector(harness: ConnectorHarness): void {
  describe(`connector ${harness.name}`, () => {
    describePasses(harness);
    describePlans(harness);
    describeWindows(harness);
    describeChanges(harness);
    describeWallClocks(harness);
    describeValues(harness);
    describeFailures(harness);
    if (harness.writes !== undefined) {
      describeWrites(harness, harness.writes);
      describeRowWrites(harness, harness.writes);
      describeQueries(harness, harness.writes.longText);
    }
  });
}
