// Attachments in the unified model: what is known of a file, not the file itself.
import { Type } from "typebox";
import { CustomFields, Instant, OpenEnum, Ref, ShortText, Text, field, personal } from "./fields.ts";

export const Attachment = Type.Object(
  {
    name: field(ShortText),
    description: field(Text),
    kind: field(OpenEnum(["document", "drawing", "manual", "photo", "certificate", "link", "other"])),
    native_kind: field(ShortText),
    mime: field(ShortText),
    size: field(Type.Number({ description: "Bytes" })),
    sha256: field(Type.String({ maxLength: 64, description: "Of the file, in hex" })),
    parent: field(Ref, "The record that the file belongs to, of the entity in parent_entity"),
    parent_entity: field(ShortText),
    remote_url: field(ShortText),
    storage: field(OpenEnum(["database", "file", "url", "archive", "unknown"])),
    native_storage: field(ShortText),
    attached_at: field(Instant),
    attached_by: personal(ShortText),
    custom_fields: Type.Optional(CustomFields),
  },
  { description: "A file or link that belongs to a record: its name, type and place, not its content" },
);
