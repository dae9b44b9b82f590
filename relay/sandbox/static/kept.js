// The panel. Rows come as they lie in the tables; everything is put in as text.

import { day, element, minute, second, spaced } from "./wire.js";

export function draw(kept) {
  const labels = Object.fromEntries(kept.participants.map((seat) => [seat.id, seat.label || `person ${seat.slot}`]));
  return [
    section("Session", kept.session.status, session(kept.session)),
    section("People", `${kept.participants.length} rows`, ...kept.participants.map(person)),
    section("Waiting to leave", rows(kept.outbox), waiting(kept.outbox)),
    section("Messages", rows(kept.messages), messages(kept.messages, labels)),
    section("Events", rows(kept.events), events(kept.events)),
  ];
}

function session(row) {
  return facts("", [
    ["id", code(row.id)],
    ["status", state(row.status, row.close_reason)],
    ["opened", when(row.created_at)],
    row.closed_at ? ["closed", when(row.closed_at)] : ["expires", when(row.expires_at)],
  ]);
}

function person(row) {
  const phone = row.sealed_phone
    ? [code(`${row.sealed_phone}…`), ` ${row.sealed_phone_bytes} bytes sealed, epoch key ${row.epoch}`]
    : [element("span", "gone with the session", "gone")];
  const index = row.party_index ? [code(`${row.party_index}…`), " keyed hash, 16 bytes"] : [element("span", "gone", "gone")];
  return facts("person", [
    [row.label, state(row.status, row.opted_out ? "opted out" : null)],
    ["phone", phone],
    ["index", index],
    ["texts", row.number ? spaced(row.number) : ""],
    ["binding", held(row)],
  ]);
}

function held(row) {
  if (!row.holds_number) return element("span", "given back", "gone");
  return row.held_until ? `cooling until ${day(row.held_until)}, ${minute(row.held_until)}` : "while the session is open";
}

function waiting(list) {
  if (!list.length) return element("p", "Empty. A sealed text is deleted once the carrier has it.", "note");
  return entries("waiting", list.map((row) => [
    [state(row.phase)],
    [code(`${row.sealed_text}…`), ` text, ${row.sealed_text_bytes} bytes; phone, ${row.sealed_phone_bytes} bytes`],
  ]));
}

function messages(list, labels) {
  if (!list.length) return element("p", "None.", "note");
  return entries("messages", list.map((row) => [
    [moment(row.received_at)],
    [row.kind, " ", element("span", route(row, labels), "note")],
    [state(row.state, row.reason || (row.last_outcome === "ambiguous" ? "ambiguous" : null))],
  ]));
}

function route(row, labels) {
  const from = labels[row.from] ?? "";
  return `${from} → ${row.state === "refused" ? "nobody" : labels[row.to] ?? "a person"}`.trim();
}

function events(list) {
  return entries("events", list.map((row) => [[moment(row.at)], [row.type], [element("span", row.reason ?? "", "note")]]));
}

const rows = (list) => (list.length === 1 ? "1 row" : `${list.length} rows`);
const code = (text) => element("code", text);
const when = (at) => `${day(at)}, ${second(at)}`;

function moment(at) {
  const made = element("time", second(at));
  made.dateTime = at;
  return made;
}

function state(word, more) {
  const made = element("span", undefined, "");
  made.append(element("span", word, `state ${word}`), more ? element("span", ` ${more.replaceAll("_", " ")}`, "note") : "");
  return made;
}

function section(title, count, ...content) {
  const made = element("section");
  const head = element("h3", title);
  head.append(element("span", count));
  made.append(head, ...content);
  return made;
}

function facts(className, pairs) {
  const made = element("dl", undefined, className);
  for (const [name, value] of pairs) {
    const description = element("dd");
    description.append(...[value].flat());
    made.append(element("dt", name), description);
  }
  return made;
}

function entries(className, list) {
  const made = element("ul", undefined, className);
  made.append(...list.map((cells) => {
    const item = element("li");
    item.append(...cells.map((cell) => {
      const holder = element("span");
      holder.append(...cell);
      return holder;
    }));
    return item;
  }));
  return made;
}
