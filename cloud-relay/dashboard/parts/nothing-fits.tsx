// A list of which the filters leave nothing over: said, with the way back.
import { EmptyState } from "./notice.tsx";
import { useQuery } from "./query.ts";

/** `what`: one of the list, such as `connection`. `filters`: the parameters of the address that filter it. */
export function NothingFits(props: {
  readonly what: string;
  readonly filters: readonly string[];
  readonly text?: string;
}) {
  const query = useQuery();
  return (
    <EmptyState
      icon="search"
      title={`No ${props.what} fits`}
      text={props.text ?? "The filters above leave nothing over."}
    >
      <button
        type="button"
        class="button"
        onClick={() => query.set(Object.fromEntries(props.filters.map((name) => [name, undefined])))}
      >
        Clear the filters
      </button>
    </EmptyState>
  );
}
