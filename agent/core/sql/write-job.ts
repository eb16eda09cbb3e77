// One write on its way: the request, what it was planned as, and where it goes.
import type { WriteRequest } from "../source/write.ts";
import type { CommandLog } from "./command-log.ts";
import type { WriteShape } from "./write-shape.ts";
import type { SqlWriteSource } from "./write-source.ts";

export interface WriteJob {
  readonly source: SqlWriteSource;
  readonly shape: WriteShape;
  readonly log: CommandLog | undefined;
  readonly request: WriteRequest;
}

export type Outputs = Readonly<Record<string, string | null>>;
