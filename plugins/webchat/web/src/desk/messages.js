import {byCommit} from '../shared/order.js';

const order = ['queued', 'sending', 'sent', 'delivered', 'read'];

/** Adds messages to an oldest-first list, keeping its order and every status's way forward. */
export function merged(list, incoming) {
  const byId = new Map(list.map((m) => [m.id, m]));
  for (const message of incoming) {
    const known = byId.get(message.id);
    byId.set(message.id, known ? {...known, ...message, status: laterOf(known.status, message.status)} : message);
  }
  return [...byId.values()].sort(byCommit);
}

/**
 * Of two statuses the one that is true now: the five that move forward never go back, and a late delivered or read
 * corrects a failure.
 */
export function laterOf(known, news) {
  if (!news) return known;
  const from = order.indexOf(known);
  const to = order.indexOf(news);
  if (from >= 0 && to >= 0) return to > from ? news : known;
  if (from >= order.indexOf('delivered')) return known;
  return news;
}

/** One line that stands for a message. */
export function lineOf(message) {
  if (!message) return '';
  const {content} = message;
  if (content?.text) return content.text;
  if (message.attachments?.length) return `${message.attachments.length === 1 ? 'An attachment' : `${message.attachments.length} attachments`}`;
  return content ? `A message of the kind ${content.kind || content.type}` : '';
}
