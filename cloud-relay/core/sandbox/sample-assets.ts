// The sandbox's machines as a tree after ISA-95: enterprise, sites, areas, process cells, units, equipment modules.
import type { Dice } from "./dice.ts";
import { money } from "./hundredths.ts";
import { AREAS, SITES, areaCode, lineCode, type Site } from "./sample-places.ts";
import { day, type Fields, type PlantBook } from "./plant-book.ts";

/** A machine that work is done on and that has meters and telemetry. */
export interface Machine {
  readonly tag: string;
  readonly name: string;
  readonly site: Site;
  readonly location: string;
  readonly kind: MachineKind;
}

export interface MachineKind {
  readonly code: string;
  readonly name: string;
  readonly class: string;
  readonly maker: string;
  readonly modules: readonly string[];
}

const KINDS: Readonly<Record<string, readonly MachineKind[]>> = {
  Casting: [
    {
      code: "FURN",
      name: "Melting furnace",
      class: "furnace",
      maker: "Feuerstein",
      modules: ["Burner", "Crucible"],
    },
    {
      code: "DIEC",
      name: "Die casting cell",
      class: "press",
      maker: "Formex",
      modules: ["Clamp", "Shot unit"],
    },
  ],
  Machining: [
    {
      code: "CNC",
      name: "Machining centre",
      class: "machine_tool",
      maker: "Arvand",
      modules: ["Spindle", "Coolant"],
    },
    {
      code: "LATH",
      name: "Turning lathe",
      class: "machine_tool",
      maker: "Arvand",
      modules: ["Chuck", "Turret"],
    },
  ],
  Assembly: [
    { code: "ROB", name: "Assembly robot", class: "robot", maker: "Kinetra", modules: ["Gripper", "Axis 6"] },
    { code: "CONV", name: "Conveyor", class: "conveyor", maker: "Bandwerk", modules: ["Drive", "Belt"] },
  ],
  Utilities: [
    { code: "PUMP", name: "Cooling water pump", class: "pump", maker: "Hydra", modules: ["Motor", "Seal"] },
    {
      code: "COMP",
      name: "Air compressor",
      class: "compressor",
      maker: "Pneuma",
      modules: ["Motor", "Dryer"],
    },
  ],
};
const STATUSES = [
  "operating",
  "operating",
  "operating",
  "standby",
  "operating",
  "in_repair",
  "operating",
  "down",
];
const MACHINES_PER_LINE = 2;
const ENTERPRISE = "ENT";

export function addAssets(book: PlantBook): readonly Machine[] {
  const atMs = book.ago(1_150);
  const top = { tag: ENTERPRISE, name: "Millrace Sandbox Industries", level: "enterprise", parent: null };
  addAsset(book, ENTERPRISE, atMs, {
    ...top,
    kind: "functional_location",
    status: "operating",
    path: top.name,
  });
  return SITES.flatMap((site) => addSiteAssets(book, site));
}

function addSiteAssets(book: PlantBook, site: Site): readonly Machine[] {
  const dice = book.dice(`assets/${site.code}`);
  const parts = new Tree(book, site);
  parts.place(site.code, site.name, "site", ENTERPRISE, site.code);
  const machines: Machine[] = [];
  let count = 0;
  for (const area of AREAS) {
    const areaTag = areaCode(site, area);
    parts.place(areaTag, area, "area", site.code, areaTag);
    for (const line of [1, 2]) {
      const cell = lineCode(site, area, line);
      parts.place(cell, `${area} line ${line}`, "process_cell", areaTag, cell);
      for (let at = 1; at <= MACHINES_PER_LINE; at += 1) {
        const kind = KINDS[area]?.[(line + at) % 2];
        if (kind === undefined) continue;
        count += 1;
        const tag = `${site.code}-${kind.code}-${String(line * 10 + at)}`;
        const machine: Machine = { tag, name: `${kind.name} ${line * 10 + at}`, site, location: cell, kind };
        machines.push(machine);
        parts.machine(machine, cell, STATUSES[count % STATUSES.length] ?? "operating", dice);
      }
    }
  }
  return machines;
}

/** Adds assets below each other; knows the path to each. */
class Tree {
  readonly #book: PlantBook;
  readonly #site: Site;
  readonly #paths = new Map<string, string>([[ENTERPRISE, "Millrace Sandbox Industries"]]);

  constructor(book: PlantBook, site: Site) {
    this.#book = book;
    this.#site = site;
  }

  place(tag: string, name: string, level: string, parent: string, location: string): void {
    this.#add(tag, name, parent, this.#book.ago(1_100), {
      kind: "functional_location",
      level,
      status: "operating",
      location: this.#book.ref("location", location),
    });
  }

  machine(machine: Machine, cell: string, status: string, dice: Dice): void {
    const { tag, name, kind, location } = machine;
    const book = this.#book;
    const installedDays = dice.int(400, 4_000);
    const cost = dice.int(40, 900) * 100_000;
    const installed = day(book.ago(installedDays));
    this.#add(tag, name, cell, book.ago(dice.int(5, 900)), {
      kind: "equipment",
      level: "unit",
      class: kind.class,
      category: "production",
      status,
      location: book.ref("location", location),
      serial: `${kind.code}${dice.int(100_000, 999_999)}`,
      manufacturer: kind.maker,
      model: `${kind.code}-${dice.int(2, 9)}00`,
      year: installed.slice(0, 4),
      install_date: installed,
      commission_date: day(book.ago(installedDays - 20)),
      purchase_date: day(book.ago(installedDays + 60)),
      warranty_end: day(book.ago(installedDays - 730)),
      purchase_cost: money(cost),
      replacement_cost: money(Math.round(cost * 1.2)),
      criticality: dice.pick(["A", "B", "C"]),
      is_running: status === "operating",
      attributes: [{ name: "RATED_POWER", value: String(dice.int(5, 250)), uom: "kW" }],
      custom_fields: { SAFETY_CLASS: dice.pick(["SIL1", "SIL2", null]), LEASED: dice.chance(0.1) },
    });
    for (const [index, module] of kind.modules.entries()) {
      this.#add(`${tag}-M${index + 1}`, module, tag, book.ago(dice.int(5, 900)), {
        kind: "component",
        level: "equipment_module",
        class: kind.class,
        status: "operating",
        location: book.ref("location", location),
        position: String(index + 1),
        manufacturer: kind.maker,
        serial: `${tag}-M${index + 1}-${dice.int(1_000, 9_999)}`,
        criticality: "B",
      });
    }
  }

  #add(tag: string, name: string, parent: string, atMs: number, fields: Fields): void {
    const path = `${this.#paths.get(parent) ?? ""} / ${name}`;
    this.#paths.set(tag, path);
    const { currency, company } = this.#site;
    const own = {
      tag,
      name,
      parent: this.#book.ref("asset", parent),
      path,
      currency,
      cost_center: `${company}-4100`,
    };
    addAsset(this.#book, tag, atMs, { ...own, ...fields });
  }
}

function addAsset(book: PlantBook, tag: string, changedAtMs: number, fields: Fields): void {
  const createdAtMs = Math.min(changedAtMs, book.ago(1_000));
  book.add({
    entity: "asset",
    number: tag,
    createdAtMs,
    changedAtMs,
    fields: { custom_fields: {}, ...fields },
  });
}
