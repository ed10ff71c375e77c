// Health of connectors, in words: the API judges it (docs/health.md).

/** What each health says, and who does something about it; in the order in which one looks at them. */
export const HEALTH = {
  failing: ["Failing", "Whoever mends the connector"],
  late: ["Late", "Whoever mends the connector"],
  consent_expired: ["Consent has ended", "A person at the customer: reconnect"],
  consent_expires: ["Consent ends within 30 days", "A person at the customer: reconnect"],
  new: ["Never synced", "Nobody yet"],
  ok: ["Well", "Nobody"],
  disconnected: ["Disconnected", "Nobody"],
};

/** What one asks for of all connectors: its words, the healths that it is, and what one and several of them do. */
export const SHOWS = {
  failing: { words: "Failing", healths: ["failing"], does: ["is failing", "are failing"] },
  late: { words: "Late", healths: ["late"], does: ["is late", "are late"] },
  reconnect: { words: "To reconnect", healths: ["consent_expired", "consent_expires"], does: ["must be reconnected", "must be reconnected"] },
  new: { words: "Never synced", healths: ["new"], does: ["has never synced", "have never synced"] },
  ok: { words: "Well", healths: ["ok"], does: ["is well", "are well"] },
  disconnected: { words: "Disconnected", healths: ["disconnected"], does: ["is disconnected", "are disconnected"] },
};

/** Under which of them a health is shown. */
export const showOf = (health) => Object.keys(SHOWS).find((show) => SHOWS[show].healths.includes(health));
