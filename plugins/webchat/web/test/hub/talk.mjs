// A visitor and a CSR, each at a browser of their own, and what must hold of their talk whatever broke meanwhile.

import assert from 'node:assert/strict';
import {allSent, expectSame, open, openPanel, pick, reply, say, settle, texts, unique} from '../harness.mjs';

/** Lets `internal/browsertest` act on the hub and waits until it is done. */
export async function control(act) {
  const response = await fetch(`${process.env.CONTROL}/${act}`, {method: 'POST'});
  if (!response.ok) throw new Error(`${act}: ${await response.text()}`);
}

export class Talk {
  #said = [];
  #answered = [];

  /** Opens both pages, the visitor's under `url`, and exchanges the first words. */
  static async begin(world, url = world.server.url) {
    const talk = new Talk();
    talk.visitor = await open({...world, server: {...world.server, url}}, {desk: false});
    talk.csr = await open(world);
    talk.panel = await openPanel(talk.visitor.page);
    await talk.say('Hello');
    talk.conversation = await pick(talk.csr.page, talk.#said[0]);
    await talk.answer('Good morning');
    await talk.agree();
    await talk.#filter().click();
    return talk;
  }

  async say(text) {
    this.#said.push(unique(text));
    await say(this.panel, this.#said.at(-1));
  }

  async answer(text) {
    this.#answered.push(unique(text));
    await reply(this.conversation, this.#answered.at(-1));
  }

  /** Waits until the CSR sees what the visitor said last. */
  heard() { return this.conversation.locator('.bubble', {hasText: this.#said.at(-1)}).waitFor(); }

  /** Leaves a sentence unfinished on the desk, which must outlive what comes. */
  draft(text) { return this.#field().fill(text); }

  /** Loads the visitor's page again and opens the panel. */
  async reload() {
    await this.visitor.page.reload();
    this.panel = await openPanel(this.visitor.page);
  }

  /**
   * Waits until both sides show every message once, in one order, what either wrote in the order of writing. Resolves to
   * the texts.
   */
  async agree() {
    const wanted = [...this.#said, ...this.#answered].sort();
    for (const [side, root] of [['panel', this.panel], ['desk', this.conversation]]) {
      await settle(async () => JSON.stringify((await texts(root)).sort()) === JSON.stringify(wanted),
        async () => `the ${side} shows ${JSON.stringify(await texts(root))} of ${JSON.stringify(wanted)}`);
    }
    const seen = await expectSame(this.panel, this.conversation);
    assert.deepEqual(seen.filter((text) => this.#said.includes(text)), this.#said, "the visitor's order");
    assert.deepEqual(seen.filter((text) => this.#answered.includes(text)), this.#answered, "the CSR's order");
    return seen;
  }

  /**
   * Sees the talk to its end: nothing is left of the trouble, the desk is as the CSR left it with `draft` in its field,
   * both still talk, and the hub keeps what the pages showed.
   */
  async finish(draft = '') {
    await this.agree();
    assert.equal(await this.#field().inputValue(), draft);
    assert.equal(await this.#filter().getAttribute('aria-pressed'), 'true');
    assert.equal(await this.csr.page.locator('.entry[aria-current=true]').count(), 1);

    await this.say('Still there?');
    await this.heard();
    await this.answer('Still here');
    const shown = await this.agree();
    // An answer to what was heard stands behind it.
    assert.deepEqual(shown.slice(-2), [this.#said.at(-1), this.#answered.at(-1)]);
    await allSent(this.panel);
    await allSent(this.conversation);
    await this.panel.locator('.strip').waitFor({state: 'detached'});
    await this.csr.page.locator('.banner').waitFor({state: 'detached'});
    for (const {page} of [this.visitor, this.csr]) assert.equal(await page.locator('.row.failed, [role=alert]').count(), 0, 'an error is left');

    await this.reload();
    await this.csr.page.reload();
    this.conversation = await pick(this.csr.page, this.#answered.at(-1));
    assert.deepEqual(await this.agree(), shown, 'what the hub keeps is not what the page showed');
    await this.conversation.locator('.row.own .mark.read').last().waitFor();
    assert.deepEqual([...this.visitor.complaints, ...this.csr.complaints], []);
    await this.visitor.close();
    await this.csr.close();
  }

  #field() { return this.conversation.getByRole('textbox', {name: /^Reply to/}); }

  #filter() { return this.csr.page.locator('.filters').getByRole('button', {name: 'Open', exact: true}); }
}
