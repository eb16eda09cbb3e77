// Compiled checks of what comes back from commands; the schemas stand in commands.ts.
import { Compile } from "typebox/compile";
import { QueryAnswer, ReadAnswer, WriteAnswer } from "./commands.ts";

const read = Compile(ReadAnswer);
const write = Compile(WriteAnswer);
const query = Compile(QueryAnswer);

/** Undefined when it is not one; so are the others. */
export function readAnswer(value: unknown): ReadAnswer | undefined {
  return read.Check(value) ? value : undefined;
}

export function writeAnswer(value: unknown): WriteAnswer | undefined {
  return write.Check(value) ? value : undefined;
}

export function queryAnswer(value: unknown): QueryAnswer | undefined {
  return query.Check(value) ? value : undefined;
}
