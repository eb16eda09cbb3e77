// History that outlives a server: what an archive keeps while the server above it restarts.
import type { DataValue, IVariableHistorian, ReadRawModifiedDetails } from "node-opcua";

/** Values kept per node, at most; the oldest go first. */
const MAX_VALUES = 20_000;

export class HistoryArchive {
  readonly #nodes = new Map<string, DataValue[]>();

  /** Everything recorded for a node, in source time order. */
  values(name: string): readonly DataValue[] {
    return this.#nodes.get(name) ?? [];
  }

  historian(name: string): IVariableHistorian {
    const values = this.#nodes.get(name) ?? [];
    this.#nodes.set(name, values);
    return {
      push: (value) => {
        const last = values.at(-1)?.sourceTimestamp?.getTime();
        // A restart announces the current value again: one value per instant, as archives keep it.
        if (last === undefined || (value.sourceTimestamp?.getTime() ?? 0) > last) values.push(value);
        if (values.length > MAX_VALUES) values.shift();
        return Promise.resolve();
      },
      extractDataValues: (details, limit, isReversed, reverseResult, callback) => {
        let found = values.filter((value) => isWithin(value, details));
        if (isReversed !== reverseResult) found = found.toReversed();
        callback(null, limit > 0 ? found.slice(0, limit) : found);
      },
    };
  }
}

function isWithin(value: DataValue, details: ReadRawModifiedDetails): boolean {
  const at = value.sourceTimestamp?.getTime() ?? 0;
  const from = details.startTime?.getTime() ?? Number.NEGATIVE_INFINITY;
  const to = details.endTime?.getTime() ?? Number.POSITIVE_INFINITY;
  return at >= from && at <= to;
}
