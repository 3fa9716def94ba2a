const maxAge = 24 * 3600 * 1000;

/**
 * What the visitor has said and the hub has not yet shown back, oldest first. An entry is stored before it is sent and
 * leaves storage on its acknowledgement, so that a reload in between sends it again under the same id; it stays in
 * memory, marked `sent`, until its echo takes its place in the thread.
 *
 * An entry is `{id, type: 'message'|'end', text?, file?, at, sent?, failed?, again?}`; `failed` holds the reason it will
 * not be sent by itself any more, `again` says that it may be tried again. A `file` is `{name, size, kind}`, and once the hub has it
 * `{id, expires_at}`, too; its bytes live elsewhere, and not as long as the entry.
 */
export class Outbox {
  #storage;
  #entries = [];

  constructor(storage, now = Date.now) {
    this.#storage = storage;
    for (const name of storage.names('out:')) {
      const entry = parse(storage.get(name));
      if (!entry) {
        storage.remove(name);
        continue;
      }
      if (!entry.failed && now() - Date.parse(entry.at) > maxAge) {
        // Nobody expects yesterday's sentence to go out today without a word.
        entry.failed = 'It was not sent in time.';
      } else if (!entry.failed && entry.file && !entry.file.id) {
        entry.failed = 'The page was closed before the file was sent. Choose it again.';
      }
      entry.again = false; // the bytes went with the page
      this.#entries.push(entry);
    }
    this.#entries.sort((a, b) => a.at < b.at ? -1 : a.at > b.at ? 1 : 0);
  }

  /** All entries, oldest first; the array is not to be changed. */
  get entries() { return this.#entries; }

  /** The entry to send next. A file that is still on its way holds up nothing but the end of the conversation. */
  get head() {
    const waiting = this.#entries.filter((entry) => !entry.failed && !entry.sent);
    const ready = waiting.find((entry) => !entry.file || entry.file.id) || null;
    return ready?.type === 'end' && ready !== waiting[0] ? null : ready;
  }

  /** The entry whose bytes are to be sent next. */
  get nextFile() { return this.#entries.find((entry) => entry.file && !entry.file.id && !entry.failed) || null; }

  get(id) { return this.#entries.find((entry) => entry.id === id) || null; }

  add(entry) {
    this.#entries = [...this.#entries, entry];
    this.#storage.set(`out:${entry.id}`, JSON.stringify(entry));
  }

  /** The hub has it: a reload finds it there. */
  acknowledge(id) {
    this.#entries = this.#entries.map((entry) => entry.id === id ? {...entry, sent: true} : entry);
    this.#storage.remove(`out:${id}`);
  }

  /** `again`: a new try may help. */
  fail(id, reason, again = false) { this.update(id, {failed: reason, again}); }

  update(id, change) {
    this.#entries = this.#entries.map((entry) => entry.id === id ? {...entry, ...change} : entry);
    const entry = this.get(id);
    if (entry) this.#storage.set(`out:${id}`, JSON.stringify(entry));
  }

  /** Forgets what only waited for its echo: the conversation it belonged to is gone. */
  dropSent() { this.#entries = this.#entries.filter((entry) => !entry.sent); }

  remove(id) {
    this.#entries = this.#entries.filter((entry) => entry.id !== id);
    this.#storage.remove(`out:${id}`);
  }
}

function parse(text) {
  try {
    const entry = JSON.parse(text);
    const known = entry.type === 'end' || (entry.type === 'message' && typeof entry.text === 'string');
    return typeof entry.id === 'string' && known && !Number.isNaN(Date.parse(entry.at)) ? entry : null;
  } catch {
    return null;
  }
}
