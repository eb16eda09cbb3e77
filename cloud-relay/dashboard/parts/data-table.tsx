// Lists: rows that can be walked by arrow keys, ordered by their heads, and paged by the API's cursors.
import type { ComponentChildren } from "preact";
import { useRef } from "preact/hooks";
import { Icon } from "./icon.tsx";
import { useQuery } from "./query.ts";
import { nextOrder, ordered, orderOf, type Order } from "./table-order.ts";

export interface Column<Row> {
  readonly key: string;
  readonly title: string;
  readonly cell: (row: Row) => ComponentChildren;
  /** Makes the head a button. Only for lists that are there as a whole. */
  readonly sort?: (row: Row) => string | number | null | undefined;
  readonly align?: "end";
  /** For a column of buttons: only screen readers say it. */
  readonly isTitleHidden?: boolean;
}

export interface DataTableProps<Row> {
  /** Says to screen readers what the table holds. */
  readonly caption: string;
  readonly columns: readonly Column<Row>[];
  /** undefined while they are fetched for the first time. */
  readonly rows: readonly Row[] | undefined;
  readonly rowKey: (row: Row) => string;
  /** Shown instead of a table without rows. */
  readonly empty: ComponentChildren;
  /** The answer's `next_cursor`: pages by `cursor` in the address. */
  readonly nextCursor?: string | null | undefined;
  /** At the left of the table's foot. */
  readonly foot?: ComponentChildren;
}

const SKELETON_ROWS = [1, 2, 3, 4, 5];

/** The first column holds the row's link, with `class="row-link"`: arrow keys go from one to the next. */
export function DataTable<Row>(props: DataTableProps<Row>) {
  const { caption, columns, rows, rowKey, empty, nextCursor, foot } = props;
  const query = useQuery();
  const order = orderOf(query.get("sort"));
  if (rows?.length === 0 && query.get("cursor") === "" && nextCursor == null) return <>{empty}</>;
  const sort = columns.find(({ key }) => key === order?.key)?.sort;
  const shown = rows !== undefined && sort !== undefined ? ordered(rows, sort, order?.isDown === true) : rows;
  return (
    <>
      <div class="table-wrap">
        <table class="table stacks" aria-busy={rows === undefined} onKeyDown={walk}>
          <caption>{caption}</caption>
          <thead>
            <tr>
              {columns.map((column) => (
                <Head key={column.key} column={column} order={order} />
              ))}
            </tr>
          </thead>
          <tbody>
            {shown?.map((row) => (
              <tr key={rowKey(row)}>
                {columns.map(({ key, title, align, isTitleHidden, cell }) => (
                  <td key={key} class={align} data-title={isTitleHidden === true ? "" : title}>
                    {cell(row)}
                  </td>
                ))}
              </tr>
            )) ?? SKELETON_ROWS.map((row) => <SkeletonRow key={row} columns={columns.length} />)}
          </tbody>
        </table>
      </div>
      <Foot nextCursor={nextCursor} foot={foot} />
    </>
  );
}

function Head<Row>({ column, order }: { readonly column: Column<Row>; readonly order: Order | undefined }) {
  const query = useQuery();
  const { key, title, sort, align, isTitleHidden } = column;
  if (sort === undefined)
    return (
      <th scope="col" class={align}>
        <span class={isTitleHidden === true ? "visually-hidden" : undefined}>{title}</span>
      </th>
    );
  const direction = order?.key === key ? (order.isDown ? "descending" : "ascending") : "none";
  return (
    <th scope="col" class={align} aria-sort={direction}>
      <button
        type="button"
        class="sort-button"
        onClick={() => query.set({ sort: nextOrder(orderOf(query.get("sort")), key) })}
      >
        {title}
        {direction !== "none" && <Icon name={direction === "ascending" ? "up" : "down"} />}
      </button>
    </th>
  );
}

function Foot({
  nextCursor,
  foot,
}: {
  readonly nextCursor?: string | null | undefined;
  readonly foot: ComponentChildren;
}) {
  const query = useQuery();
  const cursor = query.get("cursor");
  // Where each page began, to go back the way one came; from elsewhere there is the first page.
  const before = useRef(new Map<string, string>());
  const isPaged = cursor !== "" || nextCursor != null;
  if (!isPaged && foot === undefined) return null;
  const previous = before.current.get(cursor);
  return (
    <div class="table-foot">
      <div>{foot}</div>
      {isPaged && (
        <div class="row">
          {cursor !== "" && (
            <button type="button" class="button small" onClick={() => query.set({ cursor: previous })}>
              {previous === undefined ? "First page" : "Previous"}
            </button>
          )}
          <button
            type="button"
            class="button small"
            disabled={nextCursor == null}
            onClick={() => {
              if (nextCursor == null) return;
              before.current.set(nextCursor, cursor);
              query.set({ cursor: nextCursor });
            }}
          >
            Next
          </button>
        </div>
      )}
    </div>
  );
}

function SkeletonRow({ columns }: { readonly columns: number }) {
  return (
    <tr>
      {Array.from({ length: columns }, (_, index) => (
        <td key={index}>
          <span class="skeleton" />
        </td>
      ))}
    </tr>
  );
}

function walk(event: KeyboardEvent): void {
  const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
  const table = event.currentTarget;
  if (step === 0 || !(table instanceof HTMLElement)) return;
  const links = [...table.querySelectorAll<HTMLElement>(".row-link")];
  const at = links.findIndex((link) => link === document.activeElement);
  const next = links[at + step];
  if (at < 0 || next === undefined) return;
  event.preventDefault();
  next.focus();
}
