import {lineOf} from './messages.js';

const authors = {customer: 'Customer', csr: 'You', bot: 'Assistant', system: 'Notice'};
const statuses = {
  queued: 'Queued', sending: 'Sending', sent: 'Sent', delivered: 'Delivered', read: 'Read', failed: 'Failed', held: 'Held: it may have arrived',
  expired: 'Expired: it was not sent in time', discarded: 'Discarded',
};

/**
 * What the thread draws of a conversation: its messages, then what the hub has not taken yet.
 *
 * @param {{again: function(string), edit: function(string)}} acts on a message the hub refused
 */
export function toMessages(conversation, thread, sending, acts) {
  const kept = (thread?.messages || []).map((m) => {
    const own = m.direction === 'outbound';
    const reason = m.failure?.detail || m.failure?.code;
    const word = statuses[m.status] || m.status;
    return {
      key: m.id, author: m.author, own, text: lineOf(m), at: m.created_at, who: authors[m.author] || m.author, showWho: m.author === 'bot' || m.author === 'system',
      status: own ? drawn(m.status) : null, statusWord: reason ? `${word}: ${reason}` : word,
    };
  });
  const waiting = sending.of(conversation.id).map((entry) => ({
    key: entry.key, author: 'csr', own: true, text: entry.text, at: entry.at, who: authors.csr, pending: !entry.failed, fresh: true,
    status: entry.failed ? 'failed' : 'waiting',
    statusWord: entry.failed ? `Not sent: ${entry.failed}` : entry.waiting ? 'Kept here; sent when the hub is back' : 'Sending',
    action: entry.failed && (
      <><button type="button" class="link-button" onClick={() => acts.again(entry.key)}>Send again</button><button type="button" class="link-button" onClick={() => acts.edit(entry.key)}>Edit</button></>
    ),
  }));
  return [...kept, ...waiting];
}

function drawn(status) { return status === 'queued' || status === 'sending' ? 'waiting' : status; }
