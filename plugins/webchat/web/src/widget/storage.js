/**
 * What one visitor of one account keeps in this browser: the token, the read mark and the outbox. Where storage is
 * blocked everything lives in memory, and `durable` says so: then a reload begins anew.
 */
export class VisitorStorage {
  #prefix;
  #area;
  #memory = new Map();

  /**
   * @param {string} account
   * @param {function(): Storage} [open] may throw, as `window.localStorage` does where it is blocked
   */
  constructor(account, open = () => window.localStorage) {
    this.#prefix = `channelhub:${account}:`;
    try {
      const area = open();
      area.setItem(`${this.#prefix}probe`, '1');
      area.removeItem(`${this.#prefix}probe`);
      this.#area = area;
    } catch {
      this.#area = null;
    }
  }

  /** Whether what is kept outlives the page. */
  get durable() { return this.#area !== null; }

  get(name) {
    try {
      return this.#area ? this.#area.getItem(this.#prefix + name) : this.#memory.get(name) ?? null;
    } catch {
      return this.#memory.get(name) ?? null;
    }
  }

  set(name, value) {
    if (this.#area) {
      try {
        this.#area.setItem(this.#prefix + name, value);
        return;
      } catch {
        // The quota is full or the permission was withdrawn: from here on memory has to do.
        this.#retreat();
      }
    }
    this.#memory.set(name, value);
  }

  remove(name) {
    this.#memory.delete(name);
    if (!this.#area) return;
    try {
      this.#area.removeItem(this.#prefix + name);
    } catch {
      this.#retreat();
    }
  }

  /** The names that begin with `start`. */
  names(start) {
    if (!this.#area) return [...this.#memory.keys()].filter((name) => name.startsWith(start));
    const found = [];
    for (let i = 0; i < this.#area.length; i++) {
      const key = this.#area.key(i);
      if (key.startsWith(this.#prefix + start)) found.push(key.slice(this.#prefix.length));
    }
    return found;
  }

  /** Calls back with (name, value) when another tab changes something. Returns what ends it. */
  watch(callback) {
    const onStorage = (event) => {
      if (event.storageArea === this.#area && event.key?.startsWith(this.#prefix)) {
        callback(event.key.slice(this.#prefix.length), event.newValue);
      }
    };
    window.addEventListener('storage', onStorage);
    return () => window.removeEventListener('storage', onStorage);
  }

  #retreat() {
    const area = this.#area;
    this.#area = null;
    try {
      for (let i = 0; i < area.length; i++) {
        const key = area.key(i);
        if (key.startsWith(this.#prefix)) this.#memory.set(key.slice(this.#prefix.length), area.getItem(key));
      }
    } catch {
      // Nothing can be read either; memory starts empty.
    }
  }
}
