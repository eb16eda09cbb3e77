// From OPC UA's unit ids to UN/CEFACT recommendation 20 codes.

/** The namespace in which unit ids are UN/CEFACT codes packed into an integer (OPC 10000-8, 5.6.3). */
const CEFACT = "http://www.opcfoundation.org/UA/units/un/cefact";

/** `CEL` for 4408652; null where the unit is the vendor's own. */
export function unitCodeOf(namespaceUri: string | undefined, unitId: number | undefined): string | null {
  if (namespaceUri !== CEFACT || unitId === undefined || unitId <= 0) return null;
  const bytes = [unitId >>> 24, (unitId >>> 16) & 0xff, (unitId >>> 8) & 0xff, unitId & 0xff].filter(
    (byte) => byte !== 0,
  );
  const code = String.fromCharCode(...bytes);
  return /^[0-9A-Z]{1,4}$/.test(code) ? code : null;
}
