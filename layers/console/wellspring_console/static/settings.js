// What this deployment says of itself, from the page.

import { capital } from "./format.js";

/**
 * issuer, client_id, scope, parameters: how one signs in.
 * records: the types of record, each with its routes and words.
 */
export const settings = Object.freeze(JSON.parse(document.getElementById("settings").textContent));

/** The record type called `type`; undefined where there is none. */
export const recordType = (type) => settings.records.find((record) => record.type === type);

/** What one chooses a type of record from. */
export const TYPES = [["", "All types"], ...settings.records.map((type) => [type.type, capital(type.names)])];

/** Several of a record type, in words: "companies". */
export const records = (type) => recordType(type)?.names ?? type;
