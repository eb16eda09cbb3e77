// Offsets of named zones: Windows names as SQL Server spells them, and IANA names.

const WINDOWS: Readonly<Record<string, string>> = {
  UTC: "UTC",
  "GMT STANDARD TIME": "Europe/London",
  "W. EUROPE STANDARD TIME": "Europe/Berlin",
  "CENTRAL EUROPE STANDARD TIME": "Europe/Budapest",
  "CENTRAL EUROPEAN STANDARD TIME": "Europe/Warsaw",
  "ROMANCE STANDARD TIME": "Europe/Paris",
  "EASTERN STANDARD TIME": "America/New_York",
  "CENTRAL STANDARD TIME": "America/Chicago",
  "MOUNTAIN STANDARD TIME": "America/Denver",
  "PACIFIC STANDARD TIME": "America/Los_Angeles",
};

const formatters = new Map<string, Intl.DateTimeFormat>();

/** Of a zone at an instant; `isWall`: the instant is the zone's own wall clock taken as UTC. */
export function zoneOffsetMinutes(zone: string, atMs: number, isWall = false): number {
  const name = WINDOWS[zone.toUpperCase()] ?? zone;
  const offset = offsetAt(name, atMs);
  return isWall ? offsetAt(name, atMs - offset * 60_000) : offset;
}

function offsetAt(zone: string, atMs: number): number {
  let formatter = formatters.get(zone);
  if (formatter === undefined) {
    formatter = new Intl.DateTimeFormat("en-US", { timeZone: zone, timeZoneName: "longOffset" });
    formatters.set(zone, formatter);
  }
  const name = formatter.formatToParts(atMs).find((part) => part.type === "timeZoneName")?.value ?? "GMT";
  const match = /GMT([+-])(\d{2}):(\d{2})/.exec(name);
  if (match === null) return 0;
  return (match[1] === "-" ? -1 : 1) * (Number(match[2]) * 60 + Number(match[3]));
}

export function windowsZoneName(zone: string): string {
  const found = Object.entries(WINDOWS).find(([, iana]) => iana === zone);
  return found === undefined
    ? zone
    : found[0].replaceAll(/\w\S*/g, (word) => word[0]! + word.slice(1).toLowerCase());
}
