// The icons, as paths on a 16-pixel grid.

export const ICON_PATHS = {
  overview: "M2.5 9.5h4v4h-4zM9.5 2.5h4v4h-4zM2.5 2.5h4v4h-4zM9.5 9.5h4v4h-4z",
  connections: "M6 10l4-4M7 4.5l1-1a3 3 0 0 1 4.5 4.5l-1 1M9 11.5l-1 1A3 3 0 0 1 3.5 8l1-1",
  agents: "M2.5 3.5h11v4h-11zM2.5 9.5h11v3h-11zM5 5.5h.01M5 11h.01",
  webhooks: "M2 5h8.5M8 2.5L10.5 5 8 7.5M14 11H5.5M8 8.5L5.5 11 8 13.5",
  log: "M3 3.5h10M3 6.5h10M3 9.5h7M3 12.5h5",
  telemetry: "M2 8h2.5L6.5 3l3 10 2-5H14",
  flows: "M3 3h3v3H3zM10 10h3v3h-3zM6 4.5h3.5a2 2 0 0 1 2 2V10",
  settings: "M2.5 4.5h6M11.5 4.5h2M2.5 11.5h2M7.5 11.5h6M10 3v3M6 10v3",
  search: "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10zM10.5 10.5L14 14",
  copy: "M5.5 5.5h8v8h-8zM3 10.5h-.5v-8h8V3",
  check: "M3 8.5l3 3 7-7",
  cross: "M4 4l8 8M12 4l-8 8",
  warning: "M8 2.5l6 11H2zM8 7v3M8 12h.01",
  circle: "M8 13.5a5.5 5.5 0 1 0 0-11 5.5 5.5 0 0 0 0 11z",
  clock: "M8 13.5a5.5 5.5 0 1 0 0-11 5.5 5.5 0 0 0 0 11zM8 5v3l2 1.5",
  pause: "M5.5 4v8M10.5 4v8",
  sync: "M13 5A5.5 5.5 0 0 0 3 6M13 2.5V5h-2.5M3 11a5.5 5.5 0 0 0 10-1M3 13.5V11h2.5",
  key: "M9.5 9A3.5 3.5 0 1 0 7 6.5L2.5 11v2.5H5V12h1.5v-1.5L8 9",
  plus: "M8 3v10M3 8h10",
  menu: "M2.5 4.5h11M2.5 8h11M2.5 11.5h11",
  sun: "M8 10.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM8 1.5v1.5M8 13v1.5M1.5 8H3M13 8h1.5M3.5 3.5l1 1M11.5 11.5l1 1M3.5 12.5l1-1M11.5 4.5l1-1",
  moon: "M13 9.5A5.5 5.5 0 0 1 6.5 3 5.5 5.5 0 1 0 13 9.5z",
  screen: "M2.5 3.5h11v7h-11zM6 13.5h4",
  leave: "M6 2.5H3v11h3M10 5l3 3-3 3M13 8H6.5",
  up: "M4.5 9.5L8 6l3.5 3.5",
  down: "M4.5 6.5L8 10l3.5-3.5",
  right: "M6.5 4.5L10 8l-3.5 3.5",
} as const;

export type IconName = keyof typeof ICON_PATHS;
