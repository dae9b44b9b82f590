// Requests to the sandbox. An answer that is an error becomes an exception whose message is the answer's own sentence.

export async function ask(method, path, document) {
  const body = document === undefined ? undefined : JSON.stringify(document);
  let answer;
  try {
    answer = await fetch(path, { method, body, headers: body ? { "content-type": "application/json" } : {} });
  } catch {
    throw new Away("The sandbox does not answer. Is it still running?");
  }
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(sentence(said) || `The sandbox answered ${answer.status}.`);
  return said;
}

export class Away extends Error {}

// The API answers with problem details (`detail`), the carrier and the sandbox with a field and what is wrong with it.
function sentence(said) {
  if (said.detail) return said.detail;
  return said.field ? `${said.field}: ${said.error}` : said.error;
}

// +12025550177 as people write it; anything else as it is.
export function spaced(number) {
  const american = /^\+1(\d{3})(\d{3})(\d{4})$/.exec(number);
  if (american) return `+1 ${american.slice(1).join(" ")}`;
  const swedish = /^\+46(\d{2})(\d{3})(\d{2})(\d{2})$/.exec(number);
  return swedish ? `+46 ${swedish.slice(1).join(" ")}` : number;
}

export function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

const days = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short", timeZone: "UTC" });

export const day = (at) => days.format(new Date(at));
export const minute = (at) => new Date(at).toISOString().slice(11, 16);
export const second = (at) => new Date(at).toISOString().slice(11, 19);
