// What a room store throws when the disk lets it down.
import { MillraceError } from "#common/runtime/errors.ts";

/** No space; the transaction was rolled back. The room pauses reading until there is space again. */
export class StorageFullError extends MillraceError {
  override name = "StorageFullError";
}

/** The file is damaged; the room salvages what checks out into a new epoch. */
export class StorageCorruptError extends MillraceError {
  override name = "StorageCorruptError";
}
