import {tickOf} from './thread.js';
import {words} from './words.js';
import {h} from 'preact';

/**
 * What the thread draws of a session: committed messages, then what waits in the outbox.
 *
 * @param {function(string)} edit takes a message that was not sent back to the composer
 */
export function toMessages(state, edit) {
  const committed = state.thread.map((m, index) => {
    const own = m.author === 'customer';
    const status = own ? tickOf(state.thread, index, state.deliveredUpTo, state.readUpTo) : null;
    return {
      key: m.id, author: m.author, own, text: m.text, at: m.at, fresh: m.fresh && !own, status,
      who: own ? words.you : words.authors[m.author] || words.authors.csr, showWho: !own, statusWord: status && words.status[status],
    };
  });
  const waiting = state.outbox.filter((entry) => entry.type === 'message').map((entry) => {
    const status = entry.failed ? 'failed' : entry.sent ? 'sent' : 'waiting';
    return {
      key: entry.id, author: 'customer', own: true, text: entry.text, at: entry.at, fresh: true, status,
      who: words.you, pending: status === 'waiting',
      statusWord: entry.failed ? words.status.failed(entry.failed) : words.status[status],
      action: entry.failed && h('button', {type: 'button', class: 'link-button', onClick: () => edit(entry.id)}, words.edit),
    };
  });
  return [...committed, ...waiting];
}

/** The ends of sessions this page has seen, as lines in the thread. */
export function toNotices(state) {
  return state.notices.map((n, i) => ({key: `end ${i}`, after: n.after, text: words.ended[n.by] || words.ended.idle}));
}
