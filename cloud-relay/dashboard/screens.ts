// Every screen of the dashboard: where it is, where it stands in the navigation, who may see it, and the file it is in.
import type { ComponentType } from "preact";
import type { Role } from "./api/session-state.ts";
import type { IconName } from "./parts/icon-paths.ts";

/** What a screen is given: the parameters in its path. */
export interface ScreenProps {
  readonly params: Readonly<Record<string, string>>;
}

export interface ScreenEntry {
  /** Behind /dashboard; `:id` is a parameter. */
  readonly path: string;
  readonly title: string;
  /** Absent: reached from another screen. `key`: pressed after `g`. */
  readonly nav?: { readonly group: string; readonly icon: IconName; readonly key: string };
  /** Who may see it; everybody if not given. */
  readonly role?: Role;
  readonly load: () => Promise<ComponentType<ScreenProps>>;
}

export const BASE = "/dashboard";

export const SCREENS: readonly ScreenEntry[] = [
  {
    path: "/",
    title: "Overview",
    nav: { group: "", icon: "overview", key: "o" },
    load: async () => (await import("./screens/overview.tsx")).OverviewScreen,
  },
  {
    path: "/connections",
    title: "Connections",
    nav: { group: "Plants", icon: "connections", key: "c" },
    load: async () => (await import("./screens/connections.tsx")).ConnectionsScreen,
  },
  {
    path: "/connections/:id",
    title: "Connection",
    load: async () => (await import("./screens/connection.tsx")).ConnectionScreen,
  },
  {
    path: "/connections/:id/records/:entity/:record",
    title: "Record",
    load: async () => (await import("./screens/record.tsx")).RecordScreen,
  },
  {
    path: "/agents",
    title: "Agents",
    nav: { group: "Plants", icon: "agents", key: "a" },
    load: async () => (await import("./screens/agents.tsx")).AgentsScreen,
  },
  {
    path: "/telemetry",
    title: "Telemetry",
    nav: { group: "Plants", icon: "telemetry", key: "t" },
    load: async () => (await import("./screens/telemetry.tsx")).TelemetryScreen,
  },
  {
    path: "/telemetry/:id",
    title: "Telemetry point",
    load: async () => (await import("./screens/telemetry-point.tsx")).TelemetryPointScreen,
  },
  {
    path: "/webhooks",
    title: "Webhooks",
    nav: { group: "Developers", icon: "webhooks", key: "w" },
    load: async () => (await import("./screens/webhooks.tsx")).WebhooksScreen,
  },
  {
    path: "/webhooks/endpoints/:id",
    title: "Endpoint",
    load: async () => (await import("./screens/webhook-endpoint.tsx")).WebhookEndpointScreen,
  },
  {
    path: "/webhooks/deliveries",
    title: "Webhook deliveries",
    load: async () => (await import("./screens/webhook-deliveries.tsx")).WebhookDeliveriesScreen,
  },
  {
    path: "/webhooks/deliveries/:id",
    title: "Delivery",
    load: async () => (await import("./screens/webhook-delivery.tsx")).WebhookDeliveryScreen,
  },
  {
    path: "/requests",
    title: "API log",
    nav: { group: "Developers", icon: "log", key: "l" },
    role: "admin",
    load: async () => (await import("./screens/requests.tsx")).RequestsScreen,
  },
  {
    path: "/requests/:id",
    title: "Request",
    role: "admin",
    load: async () => (await import("./screens/request.tsx")).RequestScreen,
  },
];
