// Shapes that the admin API's routes share: parameters, and descriptions with their answers.
import { Type, type TSchema } from "typebox";
import { answers, CursorParameter, Id, Limit, listOf, ok, ref } from "./schemas.ts";

const READ_PROBLEMS = [400, 401, 403, 404, 410];
const WRITE_PROBLEMS = [400, 401, 403, 404, 409, 413, 415, 503];
export const WorkspaceParameter = Type.Optional(
  Type.String({ maxLength: 100, description: "Needed with an admin token; a workspace token has its own" }),
);
export const Name = Type.String({ minLength: 1, maxLength: 100 });
export const Listing = Type.Object(
  { limit: Limit, cursor: CursorParameter },
  { additionalProperties: false },
);
export const OwnListing = Type.Object(
  { limit: Limit, cursor: CursorParameter, workspace_id: WorkspaceParameter },
  { additionalProperties: false },
);
export const Owned = Type.Object({ workspace_id: WorkspaceParameter }, { additionalProperties: false });
export const OneParams = Type.Object({ id: Id });

export function described(operationId: string, summary: string, description: string) {
  return { operationId, tags: ["Administration"], summary, description };
}

export function writes(
  operationId: string,
  summary: string,
  description: string,
  status: number,
  name: string,
) {
  const own = { [status]: ok(`The new ${name}`, ref(name)) };
  return { ...described(operationId, summary, description), response: answers(own, WRITE_PROBLEMS) };
}

export function lists(operationId: string, summary: string, description: string, name: string) {
  const page: TSchema = listOf(ref(name), "A page");
  return {
    ...described(operationId, summary, description),
    response: answers({ 200: ok("A page", page) }, READ_PROBLEMS),
  };
}
