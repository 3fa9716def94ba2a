import {byCommit} from '../shared/order.js';

/**
 * The committed messages of the conversation, by the time of their commit. Values are never changed in place: each
 * function returns what comes after.
 */

/**
 * Adds a rendered message where it belongs; the same id again replaces the first where it stands. What both sides wrote
 * at one moment may come the other way round: a message to the customer that came behind a later one is `late`.
 */
export function withMessage(thread, message) {
  const next = thread.slice();
  const known = thread.findIndex((m) => m.id === message.id);
  if (known >= 0) {
    const {fresh, late} = thread[known];
    next[known] = {...message, fresh, late};
    return next;
  }
  const place = thread.findLastIndex((m) => byCommit(m, message) < 0) + 1;
  next.splice(place, 0, {...message, late: toCustomer(message) && thread.slice(place).some(toCustomer)});
  return next;
}

function toCustomer(m) { return m.author !== 'customer'; }

/** Whether `frame` holds a message this page can show. */
export function isMessage(m) {
  return Boolean(m) && typeof m.id === 'string' && typeof m.text === 'string' && typeof m.author === 'string' &&
    !Number.isNaN(Date.parse(m.at));
}

/** The messages to the customer that are not read: they lie after the read mark, or came when it was past them. */
export function unreadOf(thread, readMark) {
  const mark = thread.findIndex((m) => m.id === readMark);
  return thread.filter((m, i) => (i > mark || m.late) && toCustomer(m) && m.status !== 'read');
}

/** The status of each of the customer's messages: sent, then delivered and read as far as the marks reach. */
export function tickOf(thread, index, deliveredUpTo, readUpTo) {
  if (index <= thread.findIndex((m) => m.id === readUpTo)) return 'read';
  if (index <= thread.findIndex((m) => m.id === deliveredUpTo)) return 'delivered';
  return 'sent';
}
