import {dayKey} from './clock.js';

const groupGap = 5 * 60 * 1000;

/**
 * Turns messages into what a thread draws: day rules, notices, and rows that know whether they begin or end a group.
 * A group is what one author said within five minutes of the message before, on one day.
 *
 * @param {Array<{key: string, author: string, at: string}>} messages in order
 * @param {Array<{after: string, key: string, text: string}>} notices placed after the message with that key
 */
export function grouped(messages, notices = []) {
  const byPlace = new Map();
  for (const notice of notices) {
    const list = byPlace.get(notice.after) || [];
    list.push(notice);
    byPlace.set(notice.after, list);
  }
  const items = [];
  let previous = null;
  for (const message of messages) {
    const newDay = !previous || dayKey(previous.at) !== dayKey(message.at);
    if (newDay) items.push({kind: 'day', key: `day ${dayKey(message.at)} ${message.key}`, at: message.at});
    const joins = previous && !newDay && items[items.length - 1].kind === 'message' &&
      previous.author === message.author && new Date(message.at) - new Date(previous.at) < groupGap;
    if (joins) items[items.length - 1].last = false;
    items.push({kind: 'message', key: message.key, message, first: !joins, last: true});
    for (const notice of byPlace.get(message.key) || []) items.push({kind: 'notice', ...notice});
    previous = message;
  }
  return items;
}
