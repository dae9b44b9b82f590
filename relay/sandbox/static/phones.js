// The page: opens and closes sessions as a marketplace would, hands texts to the phones, and looks again twice in a second.

import { Handset } from "./handset.js";
import { draw } from "./kept.js";
import { ask, Away, day, second } from "./wire.js";

const LOOK_EVERY = 600; // milliseconds
// Receipts outrun a slow or missing answer and would hide it, so they stay away too.
const WEATHER = {
  fair: { latency_ms: 0, swallow_rate: 0, drop_receipts: false },
  slow: { latency_ms: 3000, swallow_rate: 0, drop_receipts: true },
  silent: { latency_ms: 0, swallow_rate: 1, drop_receipts: true },
};

const find = (selector) => document.querySelector(selector);
const problem = find("[data-problem]");
const word = find("[data-word-of-it]");
const opening = find("[data-opening]");
const phones = [find("#phone-1"), find("#phone-2")];
const handsets = [1, 2].map((slot) => new Handset(find(`#handset-${slot}`), (peer, text) => write(slot, peer, text)));

// What a reload must not lose: the session, and for each person id, phone and number.
let stage = JSON.parse(sessionStorage.getItem("stage") ?? "null");
let drawn = "";
let away = false;
let looking = Promise.resolve();

opening.addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(open);
});
find("[data-act=close]").addEventListener("click", () => attempt(close));
find("[data-act=announce]").addEventListener("click", () => attempt(announce));
for (const button of document.querySelectorAll("[data-advance]")) {
  button.addEventListener("click", () => attempt(() => advance(Number(button.dataset.advance))));
}
for (const radio of document.querySelectorAll("[name=weather]")) {
  radio.addEventListener("change", () => attempt(() => ask("PUT", "/sandbox/weather", WEATHER[radio.value])));
}

async function open() {
  const people = phones.map((input) => ({ phone: input.value.trim(), label: input.dataset.label }));
  const session = await ask("POST", "/sandbox/sessions", { participants: people });
  enter({
    id: session.id,
    people: session.participants.map((seat, i) => ({ id: seat.id, phone: people[i].phone, number: seat.proxy_number })),
  });
  say("A session is open. Each of the two has a number to text.");
  handsets[0].focus();
}

function enter(entered) {
  stage = entered;
  sessionStorage.setItem("stage", JSON.stringify(stage));
  stage.people.forEach((person, i) => {
    handsets[i].assign(person.phone, person.number);
    phones[i].value = person.phone;
  });
  for (const button of document.querySelectorAll("[data-act]")) button.disabled = false;
}

async function close() {
  const { in_flight } = await ask("POST", `/sandbox/sessions/${stage.id}/close`, {});
  say(in_flight.length ? `Closed, with ${in_flight.length} still on its way.` : "Closed. Nothing was on its way.");
}

async function announce() {
  for (const person of stage.people) {
    await ask("POST", `/sandbox/sessions/${stage.id}/messages`, { to: person.id, text: "Your ride is confirmed." });
  }
  say("The marketplace wrote to both.");
}

async function advance(seconds) {
  const clock = await ask("PUT", "/sandbox/clock", { advance: seconds });
  say(`The clock is ${Math.round(clock.offset / 3600)} hours ahead now.`);
}

function write(slot, peer, text) {
  attempt(() => ask("POST", "/sandbox/texts", { from: stage.people[slot - 1].phone, to: peer, text }));
}

// Does something and looks at once; what goes wrong is said in the words that came back.
async function attempt(action) {
  complain("");
  try {
    await action();
  } catch (error) {
    complain(error.message);
  }
  await look();
}

function complain(sentence) {
  problem.textContent = sentence;
  problem.hidden = !sentence;
}

function say(sentence) {
  word.textContent = sentence;
}

// One look after the other: an older answer must not overtake a newer one.
function look() {
  looking = looking.then(lookOnce);
  return looking;
}

async function lookOnce() {
  try {
    const [clock, ...shown] = await Promise.all([see(), ...(stage?.people ?? []).map(handset)]);
    find("[data-clock]").textContent = `${day(clock.now)}, ${second(clock.now)} UTC`;
    handsets.forEach((one) => one.time(clock.now));
    shown.forEach((lines, i) => handsets[i].show(lines));
    if (away) complain("");
    away = false;
  } catch (error) {
    away = error instanceof Away;
    complain(error.message);
  }
}

const handset = (person) => ask("GET", `/sandbox/phones/${encodeURIComponent(person.phone)}`);

// Draws the panel where it has changed; returns the clock.
async function see() {
  if (!stage) return ask("GET", "/sandbox/clock");
  const { clock, ...kept } = await ask("GET", `/sandbox/kept/${stage.id}`);
  const now = JSON.stringify(kept);
  if (now !== drawn) find("[data-kept]").replaceChildren(...draw(kept));
  drawn = now;
  return clock;
}

async function begin() {
  if (stage) {
    try {
      await ask("GET", `/sandbox/kept/${stage.id}`);
      enter(stage);
    } catch {
      stage = null; // another sandbox's
    }
  }
  for (;;) {
    if (!document.hidden) await look();
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY));
  }
}

begin();
