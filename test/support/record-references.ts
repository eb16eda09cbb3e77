// Finds the references in a record, and which entity each of them means.

export interface FoundReference {
  /** Field names from the record down, `lines.item`. */
  readonly place: string;
  readonly target: string;
  readonly remoteId: string;
}

/** Fields whose name is not the entity's own. */
const TARGETS: Readonly<Record<string, string>> = {
  item: "inventory_item",
  preferred_vendor: "vendor",
  suggested_vendor: "vendor",
  storeroom: "location",
  counter_location: "location",
  request: "maintenance_request",
  reversal_of: "stock_movement",
  supervisor: "user",
  purchase_orders: "purchase_order",
};

export function referencesIn(
  entity: string,
  record: Readonly<Record<string, unknown>>,
): readonly FoundReference[] {
  const parent = entity === "attachment" ? String(record["parent_entity"]) : entity;
  const find = (value: unknown, field: string, place: string): readonly FoundReference[] => {
    if (Array.isArray(value)) return value.flatMap((item) => find(item, field, place));
    if (typeof value !== "object" || value === null) return [];
    const object = value as Readonly<Record<string, unknown>>;
    if (typeof object["id"] === "string" && typeof object["remote_id"] === "string") {
      const target = field === "parent" ? parent : (TARGETS[field] ?? field);
      return [{ place, target, remoteId: object["remote_id"] }];
    }
    return Object.entries(object).flatMap(([name, member]) => find(member, name, `${place}.${name}`));
  };
  return find(record, "", entity);
}
