// Compiled checks of what comes back from commands; the schemas stand in commands.ts.
import { Compile } from "typebox/compile";
import { ReadAnswer } from "./commands.ts";

const read = Compile(ReadAnswer);

/** Undefined when it is not one. */
export function readAnswer(value: unknown): ReadAnswer | undefined {
  return read.Check(value) ? value : undefined;
}
