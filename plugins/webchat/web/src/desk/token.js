const key = 'channelhub:desk:token';

/**
 * Takes the token out of the address bar, where it would end up in history and screenshots, and keeps it for this
 * tab. Returns null when there is none.
 */
export function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get('token');
  if (given) {
    history.replaceState(null, '', location.pathname + location.search);
    try {
      sessionStorage.setItem(key, given);
    } catch {
      // Storage is blocked: the token lives as long as the page.
    }
    return given;
  }
  try {
    return sessionStorage.getItem(key);
  } catch {
    return null;
  }
}
