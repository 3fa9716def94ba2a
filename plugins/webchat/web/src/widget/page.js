const most = 300;

/** Where the visitor is: origin and path only, since queries and fragments carry secrets. */
export function pageOf() {
  return {url: place(location.href), title: document.title.slice(0, most), referrer: place(document.referrer)};
}

function place(address) {
  if (!address) return null;
  try {
    const url = new URL(address);
    return url.origin === 'null' ? null : (url.origin + url.pathname).slice(0, most);
  } catch {
    return null;
  }
}
