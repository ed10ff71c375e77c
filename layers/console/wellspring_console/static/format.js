// Numbers and times as people read them.

const WHOLE = new Intl.NumberFormat("en-GB");
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
const UTC_DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const FULL = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "long" });
const MINUTE = 60_000, HOUR = 60 * MINUTE;
export const A_DAY = 24 * HOUR;

/** 12410 → "12,410". */
export const number = (value) => WHOLE.format(value);

/** A count that may have stopped at a limit: "10,000 or more". */
export const capped = (value, isCapped) => (isCapped ? `${number(value)} or more` : number(value));

/** 1, "row" → "1 row"; 3, "row" → "3 rows". */
export const plural = (count, one, several = `${one}s`) => `${number(count)} ${count === 1 ? one : several}`;

/** "a", "a and b", "a, b and c". */
export const listed = (words) =>
  words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;

/** How long until an instant: "in 6 days". */
export function ahead(iso) {
  const days = Math.floor((Date.parse(iso) - Date.now()) / A_DAY);
  return days < 1 ? "within a day" : `in ${plural(days, "day")}`;
}

/** How long ago an instant is, or its day where that is more than two months. */
export function ago(iso) {
  const past = Date.now() - Date.parse(iso);
  if (past < -MINUTE) return day(iso);
  if (past < MINUTE) return "just now";
  if (past < HOUR) return `${Math.floor(past / MINUTE)} min ago`;
  if (past < A_DAY) return `${Math.floor(past / HOUR)} h ago`;
  if (past < 60 * A_DAY) return `${Math.floor(past / A_DAY)} d ago`;
  return day(iso);
}

/** The local day of an instant: "3 Mar 2026". */
export const day = (iso) => DAY.format(Date.parse(iso));

/** A UTC day, as `connector_activity` has it: "2026-03-03" → "3 Mar 2026". */
export const utcDay = (date) => UTC_DAY.format(Date.parse(`${date}T00:00:00Z`));

/** The local time of day: "10:42". */
export const clock = (milliseconds) => CLOCK.format(milliseconds);

/** Local and UTC, for who hovers. */
export const instant = (iso) => `${FULL.format(Date.parse(iso))} · ${iso.replace("T", " ").replace("Z", " UTC")}`;

/** The UTC day that is `days` before today: "2026-03-03". */
export const daysBefore = (days) => new Date(Date.now() - days * A_DAY).toISOString().slice(0, 10);

/** "input" → "in". */
export const way = (direction) => (direction === "output" ? "out" : "in");

/** The first letter in upper case. */
export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** The sum of one count of a message or a run, over all types: "linked", "ended" or "made". */
export const counted = (row, what) => Object.values(row.attributes.counts ?? {}).reduce((so, of) => so + (of[what] ?? 0), 0);

/** The sum of {TYPE: {input, output}}, or of one direction of it. */
export function total(counts, direction) {
  let sum = 0;
  for (const of of Object.values(counts ?? {})) {
    for (const [name, value] of Object.entries(of)) if (!direction || name === direction) sum += value;
  }
  return sum;
}
