const most = 300;
// What the hub keeps of each kind, in bytes; what is more would be left out there.
const mostCookie = 1024;
const mostCookies = 8192;
const mostData = 8192;

/**
 * What the CSR is shown of this page while the session lasts: where it is, the cookies that the account's settings
 * name, and the private data that the page hands over in `data-private` of the script tag.
 */
export class PageContext {
  #script;
  #data;

  /** The names of the cookies that may be told; the hub says them. */
  names = [];

  /** @param {HTMLElement} script the tag */
  constructor(script) {
    this.#script = script;
    this.#data = dataOf(script.dataset.private);
  }

  /** Calls back when the page changed its private data. */
  watch(callback) {
    new MutationObserver(() => {
      this.#data = dataOf(this.#script.dataset.private);
      callback();
    }).observe(this.#script, {attributeFilter: ['data-private']});
  }

  /** All of it, as it is now. */
  read() { return {page: pageOf(), cookies: cookiesOf(jar(), this.names), data: this.#data}; }
}

// Origin and path only, since queries and fragments carry secrets.
function pageOf() { return {url: place(location.href), title: document.title.slice(0, most), referrer: place(document.referrer)}; }

function place(address) {
  if (!address) return null;
  try {
    const url = new URL(address);
    return url.origin === 'null' ? null : (url.origin + url.pathname).slice(0, most);
  } catch {
    return null;
  }
}

function jar() {
  try {
    return document.cookie;
  } catch {
    return ''; // the page is in a sandbox
  }
}

/** The cookies of `text`, as `document.cookie` spells them, that have one of the names; null without any. */
export function cookiesOf(text, names) {
  const found = {};
  let room = mostCookies;
  for (const part of text.split('; ')) {
    const [name] = part.split('=', 1);
    const size = bytes(part);
    if (!part.includes('=') || !names.includes(name) || Object.hasOwn(found, name) || size > Math.min(mostCookie, room)) continue;
    found[name] = part.slice(name.length + 1);
    room -= size;
  }
  return Object.keys(found).length > 0 ? found : null;
}

/** The object that a `data-private` attribute spells; null for anything else, which its author is told. */
export function dataOf(text) {
  if (!text) return null;
  try {
    const data = JSON.parse(text);
    if (data && typeof data === 'object' && !Array.isArray(data) && bytes(text) <= mostData) return data;
  } catch {
    // told below
  }
  console.warn(`Chat: data-private is not sent. It must be a JSON object of at most ${mostData} bytes.`);
  return null;
}

function bytes(text) { return new TextEncoder().encode(text).length; }
