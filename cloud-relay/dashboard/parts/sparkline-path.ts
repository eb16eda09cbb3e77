// From values to the path of a small chart.

const MARGIN = 2;

/** From 0 (or the least value, if below) at the bottom to the greatest at the top. null breaks the line. */
export function sparklinePath(values: readonly (number | null)[], width: number, height: number): string {
  const known = values.filter((value) => value !== null);
  const low = Math.min(0, ...known);
  const range = Math.max(0, ...known) - low || 1;
  const step = values.length > 1 ? width / (values.length - 1) : 0;
  let path = "";
  let isPenDown = false;
  for (const [index, value] of values.entries()) {
    if (value === null) {
      isPenDown = false;
      continue;
    }
    const y = height - MARGIN - ((value - low) / range) * (height - 2 * MARGIN);
    path += `${isPenDown ? "L" : "M"}${round(index * step)} ${round(y)}`;
    isPenDown = true;
  }
  return path;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
