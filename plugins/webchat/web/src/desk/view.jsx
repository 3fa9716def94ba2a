import {lineOf} from './messages.js';

const fileStates = {pending: 'Being checked', refused: 'Was not taken', expired: 'No longer kept', loading: 'Fetching', failed: 'Could not be fetched. Try again.'};

const authors = {customer: 'Customer', csr: 'You', bot: 'Assistant', system: 'Notice'};
const statuses = {
  queued: 'Queued', sending: 'Sending', sent: 'Sent', delivered: 'Delivered', read: 'Read', failed: 'Failed', held: 'Held: it may have arrived',
  expired: 'Expired: it was not sent in time', discarded: 'Discarded',
};

/**
 * What the thread draws of a conversation: its messages, then what the hub has not taken yet.
 *
 * @param {{again: function(string), edit: function(string), drop: function(string), download: function(object)}} acts on a message the hub
 *   refused, and on a file
 * @param {Object<string, string>} fetches how the fetching of a file goes, by its id
 */
export function toMessages(conversation, thread, sending, acts, fetches) {
  const kept = (thread?.messages || []).map((m) => {
    const own = m.direction === 'outbound';
    const reason = m.failure?.detail || m.failure?.code;
    const word = statuses[m.status] || m.status;
    return {
      key: m.id, author: m.author, own, text: m.attachments?.length ? m.content?.text || '' : lineOf(m), files: (m.attachments || []).map((a) => fileOf(a, fetches[a.id], acts)), at: m.created_at, who: authors[m.author] || m.author, showWho: m.author === 'bot' || m.author === 'system',
      status: own ? drawn(m.status) : null, statusWord: reason ? `${word}: ${reason}` : word,
    };
  });
  const waiting = sending.of(conversation.id).map((entry) => ({
    key: entry.key, author: 'csr', own: true, text: entry.text, files: entry.file ? [waitingFile(entry)] : [], at: entry.at, who: authors.csr, pending: !entry.failed, fresh: true,
    status: entry.failed ? 'failed' : 'waiting',
    statusWord: entry.failed ? `Not sent: ${entry.failed}` : entry.waiting ? `Kept ${entry.kept ? 'here' : 'while this page is open'}; sent when the hub is back` : 'Sending',
    action: entry.failed && (
      <><button type="button" class="link-button" onClick={() => acts.again(entry.key)}>Send again</button>{entry.file
        ? <button type="button" class="link-button" onClick={() => acts.drop(entry.key)}>Remove</button>
        : <button type="button" class="link-button" onClick={() => acts.edit(entry.key)}>Edit</button>}</>
    ),
  }));
  return [...kept, ...waiting];
}

function fileOf(a, fetching, acts) {
  const open = a.state === 'ready' && fetching !== 'loading' && fetching !== 'expired';
  return {
    id: a.id, name: a.name || 'File', size: a.size, kind: a.kind, note: fileStates[fetching || a.state],
    onOpen: open ? () => acts.download(a) : undefined, openWord: 'Save file',
  };
}

function waitingFile({key, file, progress}) {
  return {...file, id: key, note: progress === undefined ? '' : `${progress} %`, progress, progressWord: progress === undefined ? '' : `Sending, ${progress} %`};
}

function drawn(status) { return status === 'queued' || status === 'sending' ? 'waiting' : status; }
