// Why a message is parked: what it says, and what to do about it.

import { seesAll } from "./session.js";

// <!-- reasons of messages -->
const WORDS = {
  malformed: ["It is not a message.", "Mend the producer and send it with a new id."],
  unknown_connector: ["It names a connector that is not here, or is gone.", "Check that the connector has been sent by the platform's feed."],
  unknown_record: ["It names a record that is not here yet.", "It is applied by itself when the record arrives."],
  unknown_workspace: ["It names a workspace that is not here, or is gone.", "Check that the workspace has been sent by the platform's feed."],
  unknown_provider: ["It names a provider that is not here, or is gone.", "Check that the provider has been sent by the platform's feed."],
  tenant_mismatch: ["The record belongs to another workspace.", "The producer mixed up workspaces: it must send its own records, with a new id."],
  overtaken: ["What came after it would be undone by applying it.", "Send anew with a new id, or dismiss."],
  reused_id: ["Its id was used before, for something else.", "The producer must make a new id for each message."],
  wrong_group: ["Its MessageGroupId is not its connector's id.", "Set MessageGroupId to the connector's id, and send it with a new id."],
  reverted_run: ["Its run was undone.", "Start a new run."],
  completed_run: ["Its run was over before it came.", "Send it with a new id, in a new run."],
  incomplete_run: ["Its run is said to be over, and misses messages.", "It is applied by itself when they are: send or release what is named. What needs a new id needs a new run."],
  too_many_endings: ["Its snapshot would end more records than it may unasked.", "Look at the source. If they are gone there, release it; if it was read badly, dismiss it."],
  unexpected: ["We failed on it.", "Tell the maintainers; release it after the fix."],
  expired: ["It waited for 45 days, and its body is gone.", "Send anew with a new id, or dismiss."],
};
// It waits by itself for what is missing, and then goes on.
const WAITS = new Set(["unknown_connector", "unknown_record", "unknown_workspace", "unknown_provider", "incomplete_run"]);
// The others would be parked again.
const MAY_HELP = new Set(["unknown_connector", "unknown_record", "unknown_workspace", "unknown_provider", "incomplete_run", "unexpected"]);
// <!-- /reasons of messages -->
// A record of another workspace and one that nowhere is look the same to a person: only what holds for both is said.
const WORDS_FOR_PEOPLE = {
  unknown_record: ["It names a record that is not in this workspace.", "If the record is still to come, the message is applied by itself then. If not, its producer must send it without that record, with a new id."],
};
// What is wrong with a value, by the code of its validation; another code's own words do.
const WRONG = {
  missing: "is missing",
  json_invalid: "it is no JSON",
  literal_error: "is none of the words that there are",
  union_tag_invalid: "is no type that there is",
  union_tag_not_found: "the type is missing",
  string_type: "is no text",
  string_too_short: "is too short",
  string_too_long: "is too long",
  string_pattern_mismatch: "has characters that it may not have, or another form",
  too_short: "has too few",
  too_long: "has too many",
  int_type: "is no number",
  list_type: "is no list",
  dict_type: "is no object",
  model_type: "is no object",
  uuid_parsing: "is no uuid",
};
export const wrong = (code) => WRONG[code] ?? code.replaceAll("_", " ");
// What a message is, in a word; its type as it is where it has none here.
const KINDS = {
  "records.synced": "Sync",
  "records.invalidated": "Invalidation",
  "connector.disconnected": "Disconnection",
  "providers.matched": "Match of providers",
  "run.completed": "End of a run",
  "sync.reverted": "Undo of a run",
};

const wordsOf = (reason) => (!seesAll() && WORDS_FOR_PEOPLE[reason]) || (WORDS[reason] ?? [`It is parked: ${reason}.`, "Look at its problems."]);

/** Why messages can be parked. */
export const REASONS = Object.keys(WORDS);
export const kindOf = (type) => KINDS[type] ?? type ?? "Not a message";
export const says = (reason) => wordsOf(reason)[0];
export const advice = (reason) => wordsOf(reason)[1];
export const waits = (reason) => WAITS.has(reason);
/** Releasing it by hand could help: what it missed has come, or we have mended what failed. */
export const mayHelp = (reason) => MAY_HELP.has(reason) || asksFirst(reason);
/** It is carried out for nobody but who has looked at how much it ends, one by one. */
export const asksFirst = (reason) => reason === "too_many_endings";

// The same of events of the platform's feed; null is one that waits.
// <!-- reasons of events -->
const FEED_WORDS = {
  malformed: ["It is not an event.", "Mend the producer and send it anew."],
  other_source: ["The resource belongs to another source.", "Agree on who tells of it, then send it from there."],
  workspace_changed: ["It would move a resource to another workspace.", "Give the new resource an id of its own; or give the old one's up, and release this."],
  unknown_reference: ["What it names has not come for a day.", "Send that: this one is applied by itself then."],
  unexpected: ["We failed on it.", "Tell the maintainers; release it after the fix."],
  expired: ["It was parked for 45 days, and its body is gone.", "Send anew, or dismiss."],
};
// The others would be parked again.
const MAY_HELP_FEED = new Set(["workspace_changed", "unknown_reference", "unexpected"]);
// <!-- /reasons of events -->
const WAITING = ["It names something that has not come yet.", "It is applied by itself within a minute after that has come."];

const ofFeed = (reason) => (reason === null ? WAITING : (FEED_WORDS[reason] ?? [`It is parked: ${reason}.`, "Look at its problems."]));
export const saysOfFeed = (reason) => ofFeed(reason)[0];
export const adviceOfFeed = (reason) => ofFeed(reason)[1];
/** Releasing it by hand could help: an id was given up, what it names has come, or we have mended what failed. */
export const mayHelpFeed = (reason) => MAY_HELP_FEED.has(reason);
