// Compiled checks of what comes back from commands; the schemas stand in commands.ts.
import { Compile } from "typebox/compile";
import { ReadAnswer, WriteAnswer } from "./commands.ts";

const read = Compile(ReadAnswer);
const write = Compile(WriteAnswer);

/** Undefined when it is not one; so is the other. */
export function readAnswer(value: unknown): ReadAnswer | undefined {
  return read.Check(value) ? value : undefined;
}

export function writeAnswer(value: unknown): WriteAnswer | undefined {
  return write.Check(value) ? value : undefined;
}
