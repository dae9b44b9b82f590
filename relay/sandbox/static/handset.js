// One handset. It is given what the carrier shows on this phone and nothing else; it knows numbers, not people.

import { day, element, minute, spaced } from "./wire.js";

export class Handset {
  #root;
  #lines = [];
  #peer = null;
  #shown = 0;
  #day = null;

  // `send(peer, text)` is called when the owner writes.
  constructor(root, send) {
    this.#root = root;
    const composer = this.#part("composer");
    composer.addEventListener("submit", (event) => {
      event.preventDefault();
      const input = composer.querySelector("input");
      const text = input.value;
      if (!text.trim() || !this.#peer) return;
      input.value = "";
      send(this.#peer, text);
      input.focus();
    });
    for (const button of root.querySelectorAll("[data-word]")) {
      button.addEventListener("click", () => send(this.#peer, button.dataset.word));
    }
    this.#redraw();
  }

  // Whose phone this is, and the number that they have been given to text.
  assign(phone, peer) {
    this.#part("own-phone").textContent = spaced(phone);
    this.#open(peer);
  }

  focus() {
    this.#part("composer").querySelector("input").focus();
  }

  time(now) {
    this.#part("time").textContent = minute(now);
  }

  // Everything that this phone shows, oldest first.
  show(lines) {
    if (lines.length < this.#lines.length) this.#shown = -1;
    this.#lines = lines;
    this.#threads();
    if (this.#shown < 0) this.#redraw();
    else this.#append();
  }

  #open(peer) {
    this.#peer = peer;
    this.#part("peer").textContent = peer ? spaced(peer) : "No conversation yet";
    for (const control of this.#root.querySelectorAll("form input, button")) control.disabled = !peer;
    this.#threads();
    this.#redraw();
  }

  #threads() {
    const peers = [...new Set([...this.#lines.map((line) => line.peer), ...(this.#peer ? [this.#peer] : [])])];
    const nav = this.#part("threads");
    nav.hidden = peers.length < 2;
    const wanted = peers.join() + this.#peer;
    if (nav.dataset.shows === wanted) return;
    nav.dataset.shows = wanted;
    nav.replaceChildren(...peers.map((peer) => {
      const button = element("button", spaced(peer));
      button.type = "button";
      button.setAttribute("aria-current", String(peer === this.#peer));
      button.addEventListener("click", () => this.#open(peer));
      return button;
    }));
  }

  #redraw() {
    this.#part("thread").replaceChildren(element("p", "No texts yet", "empty"));
    this.#shown = 0;
    this.#day = null;
    this.#append();
  }

  // Only what is new is added, so that a screen reader says it once.
  #append() {
    const thread = this.#part("thread");
    const fresh = this.#lines.filter((line) => line.peer === this.#peer).slice(this.#shown);
    if (!fresh.length) return;
    if (!this.#shown) thread.replaceChildren();
    for (const line of fresh) {
      if (day(line.at) !== this.#day) thread.append(element("p", day(line.at), "day"));
      this.#day = day(line.at);
      thread.append(bubble(line));
    }
    this.#shown += fresh.length;
    thread.scrollTop = thread.scrollHeight;
  }

  #part(name) {
    return this.#root.querySelector(`[data-${name}]`);
  }
}

function bubble(line) {
  const made = element("div", undefined, `bubble ${line.direction === "out" ? "out" : "in"}`);
  const at = element("time", minute(line.at));
  at.dateTime = line.at;
  made.append(element("span", line.direction === "out" ? "You wrote:" : "You got:", "visually-hidden"), element("p", line.text), at);
  return made;
}
