// The forms of the front page: each sends a vendor's request and shows the exchange.
"use strict";

const calls = document.getElementById("calls");
const language = document.getElementById("language");
// Without an inbox page there is no address for news.
const news = calls.dataset.news;
const PAUSE = 400;
const PATIENCE = 20000;

const wait = (time) => new Promise((done) => setTimeout(done, time));
const part = (call, name) => call.querySelector(`[data-${name}]`);

/** Return the values in one place of a request, without empty ones. */
function valuesIn(call, place) {
  const inputs = call.querySelectorAll(`input[data-place=${place}]`);
  return [...inputs].filter((input) => input.value).map((input) => [input.name, input.value]);
}

/** Return the request that the form describes. */
function requestOf(call) {
  let target = `/${call.dataset.path}`;
  for (const [name, value] of valuesIn(call, "path")) {
    target = target.replace(`{${name}}`, () => encodeURIComponent(value));
  }
  target = target.replace(/\{.*\}/, "");
  const query = new URLSearchParams(valuesIn(call, "query")).toString();
  const body = valuesIn(call, "body");
  const headers = {};
  if (language.value) headers["Accept-Language"] = language.value;
  const sends = call.querySelector("input[data-place=body]");
  if (sends) headers["Content-Type"] = "application/json";
  return {
    target: query ? `${target}?${query}` : target,
    headers,
    body: sends ? JSON.stringify(Object.fromEntries(body)) : undefined,
  };
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** Return a request as a shell command. */
function curlOf({ target, headers, body }) {
  const words = ["curl", "-i", "-X", "POST", quoted(location.origin + target)];
  for (const [name, value] of Object.entries(headers)) words.push("-H", quoted(`${name}: ${value}`));
  if (body !== undefined) words.push("-d", quoted(body));
  return words.join(" ");
}

function lines(first, headers, body) {
  return [first, ...[...headers].map(([name, value]) => `${name}: ${value}`), "", body].join("\n");
}

/** Return a dump of bytes: the offset, sixteen bytes, and their ASCII characters. */
function hexOf(bytes) {
  const rows = [];
  for (let start = 0; start < bytes.length; start += 16) {
    const row = [...bytes.slice(start, start + 16)];
    const hex = row.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const text = row.map((byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : "."));
    rows.push(`${start.toString(16).padStart(4, "0")}  ${hex.padEnd(47)}  ${text.join("")}`);
  }
  return rows.join("\n") || "(none)";
}

function showRequest(call, request) {
  const headers = Object.entries({ Host: location.host, ...request.headers });
  const first = `POST ${request.target} HTTP/1.1`;
  part(call, "request").textContent = lines(first, headers, request.body ?? "");
}

function showAnswer(call, response, bytes) {
  const first = `${response.status} ${response.statusText}`;
  const text = new TextDecoder().decode(bytes);
  part(call, "answer").textContent = lines(first, response.headers, text);
  part(call, "length").textContent = bytes.length === 1 ? "1 byte" : `${bytes.length} bytes`;
  part(call, "hex").textContent = hexOf(bytes);
}

/** Return the code at the top of an error's body, if there is one. */
function codeIn(bytes) {
  try {
    return JSON.parse(new TextDecoder().decode(bytes)).code;
  } catch {
    return undefined;
  }
}

/** Show the documented answers with this status and code, or those for all other statuses. */
function showDocumented(call, status, code) {
  const answers = [...call.querySelectorAll("[data-statuses]")];
  const named = (name) => answers.filter((item) => item.dataset.statuses.split(" ").includes(name));
  const exact = named(String(status));
  const ofStatus = exact.length || status < 400 ? exact : named("default");
  const fitting = ofStatus.filter((item) => ["", String(code)].includes(item.dataset.code));
  for (const item of answers) item.hidden = !fitting.includes(item);
  part(call, "undocumented").hidden = fitting.length > 0;
}

function say(call, text, link) {
  const said = part(call, "said");
  said.textContent = text;
  if (link) said.append(" ", link);
}

async function readNews(after) {
  const response = await fetch(`${news}?after=${after}`);
  if (!response.ok) throw new Error(response.statusText);
  return response.json();
}

function finish(call, text, link) {
  call.dataset.state = "answered";
  say(call, text, link);
}

/** Wait for the message, and link to it. Sending again ends the wait. */
async function waitForMail(call, answered, after) {
  const turn = call.dataset.turn;
  call.dataset.state = "waiting";
  say(call, `${answered} Waiting for the message …`);
  const until = Date.now() + PATIENCE;
  while (Date.now() < until) {
    await wait(PAUSE);
    const { messages } = await readNews(after);
    if (call.dataset.turn !== turn) return;
    const mail = messages.find((message) => message.dialect === call.dataset.dialect);
    if (mail) {
      const link = document.createElement("a");
      link.href = mail.url;
      link.dataset.mailLink = "";
      link.textContent = `Open the message to ${mail.recipient}`;
      finish(call, answered, link);
      return;
    }
  }
  finish(
    call,
    `${answered} No message has come. None is sent within the cooldown of an address, ` +
      "or to an account that does not wait for its confirmation.",
  );
}

async function send(call) {
  if (call.dataset.state === "sending") return;
  call.dataset.turn = Number(call.dataset.turn ?? 0) + 1;
  call.dataset.state = "sending";
  say(call, "Sending …");
  const request = requestOf(call);
  try {
    const before = news ? (await readNews("")).newest : 0;
    const response = await fetch(request.target, {
      method: "POST",
      headers: request.headers,
      body: request.body,
      // A vendor's client has no session here.
      credentials: "omit",
      redirect: "manual",
    });
    const bytes = new Uint8Array(await response.arrayBuffer());
    showRequest(call, request);
    showAnswer(call, response, bytes);
    showDocumented(call, response.status, codeIn(bytes));
    part(call, "exchange").hidden = false;
    const answered = `Answered ${response.status} ${response.statusText}.`;
    if (response.ok && news) await waitForMail(call, answered, before);
    else finish(call, answered);
  } catch {
    call.dataset.state = "failed";
    say(call, "The site does not answer. Is it still running?");
  }
}

async function copy(call) {
  const line = part(call, "curl");
  try {
    await navigator.clipboard.writeText(line.textContent);
    say(call, "Copied.");
  } catch {
    // Browsers refuse outside of https and localhost.
    getSelection().selectAllChildren(line);
    say(call, "The command is selected; copy it.");
  }
}

function fill(call, values) {
  for (const [name, value] of Object.entries(values)) {
    call.querySelector("form").elements.namedItem(name).value = value;
  }
}

for (const call of calls.children) {
  const update = () => (part(call, "curl").textContent = curlOf(requestOf(call)));
  const form = call.querySelector("form");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(call);
  });
  form.addEventListener("input", update);
  language.addEventListener("change", update);
  part(call, "copy").addEventListener("click", () => copy(call));
  for (const button of call.querySelectorAll("[data-preset]")) {
    button.addEventListener("click", () => {
      fill(call, JSON.parse(button.dataset.values));
      update();
    });
  }
  // Browsers restore inputs when a page is visited again.
  addEventListener("pageshow", update);
}
