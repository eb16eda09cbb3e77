// A connection by its name, where only its id is at hand.
import { unwrap } from "#relay/client/api-client.ts";
import { api } from "../api/client.ts";
import { useResource } from "../api/resource.ts";
import { to } from "../paths.ts";

export function ConnectionLink({ id }: { readonly id: string }) {
  // Of one that is deleted, or not to be seen, the id is what is known.
  const { data } = useResource(`connection ${id}`, (signal) =>
    unwrap(api.GET("/v1/connections/{id}", { params: { path: { id } }, signal })),
  );
  return <a href={to("/connections/:id", { id })}>{data?.name ?? id}</a>;
}
