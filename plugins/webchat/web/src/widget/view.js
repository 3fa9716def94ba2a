import {tickOf} from './thread.js';
import {words} from './words.js';
import {h} from 'preact';

/**
 * What the thread draws of a session: committed messages, then what waits in the outbox.
 *
 * @param {{edit: function(string), again: function(string), discard: function(string), download: function(object)}} acts on a
 *   message that was not sent, and on a file of one that was
 */
export function toMessages(state, acts) {
  const committed = state.thread.map((m, index) => {
    const own = m.author === 'customer';
    const status = own ? tickOf(state.thread, index, state.deliveredUpTo, state.readUpTo) : null;
    return {
      key: m.id, author: m.author, own, text: m.text, files: (m.attachments || []).map((a) => fileOf(a, state, acts)), at: m.at, fresh: m.fresh && !own, status,
      who: own ? words.you : words.authors[m.author] || words.authors.csr, showWho: !own, statusWord: status && words.status[status],
    };
  });
  const waiting = state.outbox.filter((entry) => entry.type === 'message').map((entry) => {
    const status = entry.failed ? 'failed' : entry.sent ? 'sent' : 'waiting';
    return {
      key: entry.id, author: 'customer', own: true, text: entry.text, files: entry.file ? [waitingFile(entry, state)] : [], at: entry.at, fresh: true, status,
      who: words.you, pending: status === 'waiting',
      statusWord: entry.failed ? words.status.failed(entry.failed) : words.status[status],
      action: entry.failed && (entry.file
        ? [entry.again && link(words.file.again, () => acts.again(entry.id)), link(words.file.remove, () => acts.discard(entry.id))]
        : link(words.edit, () => acts.edit(entry.id))),
    };
  });
  return [...committed, ...waiting];
}

function link(text, onClick) { return h('button', {type: 'button', class: 'link-button', key: text, onClick}, text); }

function fileOf(a, state, acts) {
  const fetching = state.fetches[a.id];
  const open = a.state === 'ready' && fetching !== 'gone' && fetching !== 'loading';
  return {
    id: a.id, name: a.name || words.file.open, size: a.size, kind: a.kind, note: words.file.states[fetching || a.state],
    onOpen: open ? () => acts.download(a) : undefined, openWord: words.file.open,
  };
}

function waitingFile({id, file}, state) {
  const progress = state.uploads[id];
  return {...file, id, note: progress === undefined ? '' : `${progress} %`, progress, progressWord: progress === undefined ? '' : words.file.sending(progress)};
}

/** The ends of sessions this page has seen, as lines in the thread. */
export function toNotices(state) {
  return state.notices.map((n, i) => ({key: `end ${i}`, after: n.after, text: words.ended[n.by] || words.ended.idle}));
}
