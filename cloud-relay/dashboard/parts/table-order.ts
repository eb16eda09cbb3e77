// The order of a table's rows as its address says: `sort=name` up, `sort=-name` down.

export interface Order {
  readonly key: string;
  readonly isDown: boolean;
}

export function orderOf(text: string): Order | undefined {
  if (text === "" || text === "-") return undefined;
  return text.startsWith("-") ? { key: text.slice(1), isDown: true } : { key: text, isDown: false };
}

/** Up, down, and as it was. */
export function nextOrder(order: Order | undefined, key: string): string | undefined {
  if (order?.key !== key) return key;
  return order.isDown ? undefined : `-${key}`;
}

/** What is not known comes last, up and down. Texts by the reader's language, with numbers in them as numbers. */
export function ordered<Row>(
  rows: readonly Row[],
  value: (row: Row) => string | number | null | undefined,
  isDown: boolean,
): readonly Row[] {
  const sign = isDown ? -1 : 1;
  return rows.toSorted((left, right) => {
    const [a, b] = [value(left), value(right)];
    if (a == null || b == null) return Number(a == null) - Number(b == null);
    if (typeof a === "number" && typeof b === "number") return sign * (a - b);
    return sign * String(a).localeCompare(String(b), undefined, { numeric: true });
  });
}
