// What a write takes, in words that callers can be shown before they write.
import type { CompiledWrite, WritableField, WritableRows } from "./mapping.ts";
import { encodeWrite } from "./write-encoder.ts";
import type { WriteDefinition, WriteField, WriteRows } from "./write-field.ts";

export function compileWrite({ plan, encoding, description }: WriteDefinition): CompiledWrite {
  const { fields, customFields, rows } = encoding;
  const own = fields.map(describeField);
  const [change] = own;
  return {
    operation: plan.operation,
    form: plan.form,
    ...(description === undefined ? {} : { description }),
    fields: [
      // The change of an amount comes first.
      ...(plan.form === "adjust" && change !== undefined
        ? [{ ...change, description: boundsOf(plan) }, ...own.slice(1)]
        : own),
      ...rows.map((one) => describeRows(one, encoding.isCreating)),
    ],
    ...(customFields.length === 0 ? {} : { customFields }),
    encode: (input, context) => encodeWrite(encoding, input, context),
  };
}

function boundsOf({ min, max }: { readonly min?: string; readonly max?: string }): string {
  const parts = [
    ...(min === undefined ? [] : [`at least ${min}`]),
    ...(max === undefined ? [] : [`at most ${max}`]),
  ];
  return `What is added, negative to take away${parts.length === 0 ? "" : `; what is left must be ${parts.join(" and ")}`}`;
}

function describeField({ name, isRequired, description, conversion }: WriteField): WritableField {
  const own = { name, isRequired, ...(description === undefined ? {} : { description }) };
  switch (conversion.kind) {
    case "text":
      return { ...own, type: "text", maxLength: conversion.maxLength };
    case "enum":
      return { ...own, type: "enum", values: [...conversion.codes.keys()] };
    case "decimal": {
      const decimals = conversion.decimals ?? (conversion.impliedDecimals || undefined);
      if (decimals === undefined) return { ...own, type: "decimal" };
      return decimals === 0 ? { ...own, type: "integer" } : { ...own, type: "decimal", decimals };
    }
    case "reference":
      return { ...own, type: "reference", keyLength: conversion.key.length };
    default:
      return { ...own, type: conversion.kind };
  }
}

function describeRows({ list, plan, fields, customFields }: WriteRows, isCreating: boolean): WritableField {
  const isKey = (field: WriteField): boolean => field.slots.some((slot) => plan.key.includes(slot));
  const isCounted = (field: WriteField): boolean => field.slots.includes(plan.number?.column ?? "");
  const rows: WritableRows = {
    fields: fields.map((field) =>
      describeField({ ...field, isRequired: !isCounted(field) && (field.isRequired || isKey(field)) }),
    ),
    key: fields.filter(isKey).map(({ name }) => name),
    isNumbered: plan.number !== undefined,
    mayDelete: plan.removal !== undefined && !isCreating,
    maxRows: plan.maxRows,
    customFields,
  };
  return { name: list, isRequired: false, type: "list", rows };
}
