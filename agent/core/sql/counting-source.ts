// A SQL source whose statements are counted; transactions' own beginnings and ends are not.
import type { SqlSession, SqlSource } from "./sql-source.ts";

/** The same source; `asked` is called for each statement of each session. */
export function countingSource(source: SqlSource, asked: () => void): SqlSource {
  const transaction: SqlSource["transaction"] = (lane, signal, work) =>
    source.transaction(lane, signal, (session) => work(countingSession(session, asked)));
  return withMember(source, "transaction", transaction);
}

/** The same session, for readers of a connector's own. Nobody asks to count: as it is. */
export function countingSession<S extends SqlSession>(session: S, asked: (() => void) | undefined): S {
  if (asked === undefined) return session;
  const query: SqlSession["query"] = (statement) => {
    asked();
    return session.query(statement);
  };
  return withMember<SqlSession>(session, "query", query) as S;
}

/** Everything but one member stays the object's own: connectors know more of theirs than the ports say. */
function withMember<T extends object>(object: T, name: keyof T, member: T[keyof T]): T {
  return new Proxy(object, {
    get: (target, asked) => {
      if (asked === name) return member;
      const value: unknown = Reflect.get(target, asked, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}
