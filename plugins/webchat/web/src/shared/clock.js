// Words for instants, in the reader's own language and zone.

const formats = new Map();

function format(locale, kind, options) {
  const key = `${locale || ''} ${kind}`;
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat(locale || undefined, options));
  return formats.get(key);
}

/** "14:02". */
export function timeOf(at, locale) {
  return format(locale, 'time', {hour: '2-digit', minute: '2-digit'}).format(new Date(at));
}

/** "Mon, Nov 23, 14:02": for titles, where a time alone would be unclear. */
export function instantOf(at, locale) {
  return format(locale, 'instant', {weekday: 'short', month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit'}).format(new Date(at));
}

/** A key that two instants share when they fall on one day for the reader. */
export function dayKey(at) {
  const d = new Date(at);
  return d.getFullYear() * 10000 + d.getMonth() * 100 + d.getDate();
}

/** "Today", "Yesterday", or the day. */
export function dayOf(at, locale, now = Date.now()) {
  const key = dayKey(at);
  if (key === dayKey(now)) return 'Today';
  if (key === dayKey(now - 86400000)) return 'Yesterday';
  return format(locale, 'day', {weekday: 'long', month: 'long', day: 'numeric'}).format(new Date(at));
}

/** What a list has room for: the time today, else the day. */
export function briefOf(at, locale, now = Date.now()) {
  if (dayKey(at) === dayKey(now)) return timeOf(at, locale);
  if (dayKey(at) === dayKey(now - 86400000)) return 'Yesterday';
  return format(locale, 'brief', {month: 'short', day: 'numeric'}).format(new Date(at));
}
