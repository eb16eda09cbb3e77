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
  const told = (words: string | undefined): { readonly description?: string } => {
    const text = description ?? words;
    return text === undefined ? {} : { description: text };
  };
  const own = { name, isRequired };
  switch (conversion.kind) {
    case "text":
      return { ...own, ...told(undefined), type: "text", maxLength: conversion.maxLength };
    case "enum":
      return { ...own, ...told(undefined), type: "enum", values: [...conversion.codes.keys()] };
    case "decimal": {
      const decimals = conversion.decimals ?? (conversion.impliedDecimals || undefined);
      if (decimals === undefined) return { ...own, ...told(undefined), type: "decimal" };
      if (decimals === 0) return { ...own, ...told(undefined), type: "integer" };
      return { ...own, ...told(`At most ${decimals} decimal places`), type: "decimal", decimals };
    }
    case "reference": {
      const keyLength = conversion.key.length;
      const values = keyLength === 1 ? "one value" : `${keyLength} values`;
      return { ...own, ...told(`By its remote_key, ${values}`), type: "reference", keyLength };
    }
    default:
      return { ...own, ...told(undefined), type: conversion.kind };
  }
}

function describeRows({ list, plan, fields, customFields }: WriteRows, isCreating: boolean): WritableField {
  const mayDelete = plan.removal !== undefined && !isCreating;
  const isKey = (field: WriteField): boolean => field.slots.some((slot) => plan.key.includes(slot));
  const isCounted = (field: WriteField): boolean => field.slots.includes(plan.number?.column ?? "");
  const described = fields.map((field): WritableField => {
    if (isCounted(field))
      return describeField({
        description: "Left out: a new row, which gets the next number",
        ...field,
        isRequired: false,
      });
    // A row that exists already needs no more than its key.
    if (isCreating || isKey(field) || !field.isRequired)
      return describeField({ ...field, isRequired: isKey(field) || field.isRequired });
    return describeField({ description: "Required of a new row", ...field, isRequired: false });
  });
  const rows: WritableRows = {
    fields: mayDelete ? [...described, REMOVED] : described,
    key: fields.filter(isKey).map(({ name }) => name),
    isNumbered: plan.number !== undefined,
    mayDelete,
    maxRows: plan.maxRows,
    customFields,
  };
  return { name: list, isRequired: false, type: "list", rows };
}

const REMOVED: WritableField = {
  name: "is_deleted",
  type: "boolean",
  isRequired: false,
  description: "true: the row goes; without it no row does",
};
