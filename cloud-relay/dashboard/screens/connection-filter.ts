// Which connections a list shows, by the filters in its address.
import { matchesSearch } from "../parts/query-text.ts";

export interface FilteredConnection {
  readonly name: string;
  readonly customer: string | null;
  readonly environment: string;
  readonly system: string | null;
  readonly status: string;
  readonly disconnected_at: string | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly agent_id: string | null;
}

export interface ConnectionFilter {
  readonly search: string;
  readonly status: string;
  readonly customer: string;
  readonly environment: string;
}

/** A connection that was taken away is shown as that, whatever its agent said last. */
export function shownStatus(connection: Pick<FilteredConnection, "status" | "disconnected_at">): string {
  return connection.disconnected_at === null ? connection.status : "disconnected";
}

/** Empty filters let everything through. */
export function passes(connection: FilteredConnection, filter: ConnectionFilter): boolean {
  const { search, status, customer, environment } = filter;
  const labels = Object.entries(connection.labels).map(([name, value]) => `${name}:${value}`);
  return (
    (status === "" || shownStatus(connection) === status) &&
    (customer === "" || connection.customer === customer) &&
    (environment === "" || connection.environment === environment) &&
    matchesSearch(search, [
      connection.name,
      connection.customer,
      connection.system,
      connection.agent_id,
      ...labels,
    ])
  );
}

/** The values that there are, in order: what a filter offers. */
export function valuesOf<Row>(rows: readonly Row[], value: (row: Row) => string | null): readonly string[] {
  const values = new Set<string>();
  for (const row of rows) {
    const own = value(row);
    if (own !== null) values.add(own);
  }
  return [...values].toSorted((a, b) => a.localeCompare(b));
}
