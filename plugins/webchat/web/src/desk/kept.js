// Texts of this tab that a reload must not lose. They are what people say to each other: they go no further than the
// tab, and no longer than they are needed.

const prefix = 'channelhub:desk:';
const memory = new Map();

/** A text that was kept, or ''. */
export function keptOf(name) {
  try {
    return memory.get(name) ?? sessionStorage.getItem(prefix + name) ?? '';
  } catch {
    return ''; // storage is blocked
  }
}

/** Keeps a text; '' forgets it. Says whether it outlives the page. */
export function keep(name, text) {
  memory.set(name, text);
  try {
    if (text) sessionStorage.setItem(prefix + name, text);
    else sessionStorage.removeItem(prefix + name);
    return true;
  } catch {
    return false;
  }
}

/** The names of what an earlier page kept that begin with `start`. */
export function keptNames(start) {
  try {
    return Object.keys(sessionStorage).filter((key) => key.startsWith(prefix + start)).map((key) => key.slice(prefix.length));
  } catch {
    return [];
  }
}
