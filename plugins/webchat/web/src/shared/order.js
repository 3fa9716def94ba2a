/**
 * Compares two messages by the time of their commit, and by id what is of one time: the order in which everybody shows
 * a conversation.
 *
 * @param {{id: string, at?: string, created_at?: string}} a
 */
export function byCommit(a, b) {
  return Date.parse(a.at ?? a.created_at) - Date.parse(b.at ?? b.created_at) || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}
