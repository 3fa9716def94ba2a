/**
 * The committed messages of the conversation, in the order the hub gave them. Values are never changed in place: each
 * function returns what comes after.
 */

/** Adds a rendered message; the same id again replaces the first where it stands. */
export function withMessage(thread, message) {
  const at = thread.findIndex((m) => m.id === message.id);
  if (at < 0) return [...thread, message];
  const next = thread.slice();
  next[at] = {...message, fresh: thread[at].fresh};
  return next;
}

/** Whether `frame` holds a message this page can show. */
export function isMessage(m) {
  return Boolean(m) && typeof m.id === 'string' && typeof m.text === 'string' && typeof m.author === 'string' &&
    !Number.isNaN(Date.parse(m.at));
}

/** The messages to the customer that lie after the read mark and are not read. */
export function unreadOf(thread, readMark) {
  const mark = thread.findIndex((m) => m.id === readMark);
  return thread.filter((m, i) => i > mark && m.author !== 'customer' && m.status !== 'read');
}

/** The status of each of the customer's messages: sent, then delivered and read as far as the marks reach. */
export function tickOf(thread, index, deliveredUpTo, readUpTo) {
  if (index <= thread.findIndex((m) => m.id === readUpTo)) return 'read';
  if (index <= thread.findIndex((m) => m.id === deliveredUpTo)) return 'delivered';
  return 'sent';
}
