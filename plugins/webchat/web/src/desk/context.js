// Words for what a browser tells of itself. All of it may be anything.

// Later ones carry the names of earlier ones, too.
const browsers = [[/Version\/(\d+).* Safari/, 'Safari'], [/Chrome\/(\d+)/, 'Chrome'], [/Firefox\/(\d+)/, 'Firefox'], [/OPR\/(\d+)/, 'Opera'], [/Edg\w*\/(\d+)/, 'Edge']];
const systems = [[/Linux/, 'Linux'], [/CrOS/, 'ChromeOS'], [/Mac OS X/, 'macOS'], [/Windows/, 'Windows'], [/Android/, 'Android'], [/iPad/, 'iPad'], [/iPhone/, 'iPhone']];

/** "Chrome 142 on Windows"; what a browser calls itself when that is not known. */
export function browserOf(userAgent) {
  const browser = browsers.findLast(([pattern]) => pattern.test(userAgent));
  const system = systems.findLast(([pattern]) => pattern.test(userAgent));
  if (!browser || !system) return userAgent;
  return `${browser[1]} ${browser[0].exec(userAgent)[1]} on ${system[1]}`;
}

/** `{url, title, referrer}`, each a text or empty. */
export function pageOf(page) {
  const text = (value) => typeof value === 'string' ? value : '';
  return {url: text(page?.url), title: text(page?.title), referrer: text(page?.referrer)};
}

/** The names and values of an object, as text. */
export function rowsOf(values) {
  return Object.entries(values || {}).map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)]);
}
