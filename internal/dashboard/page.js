// Keeps the page at the state of /status.json. All text comes in through textContent.
"use strict";

const every = 1000; // ms between two readings
const span = 5000; // ms over which speeds are taken

const count = (n) => String(Math.trunc(n)).replace(/\B(?=(\d{3})+$)/g, ",");
const list = (items) => (items || []).join(", ");
const age = (s) => {
  for (const [unit, name] of [[86400, "days"], [3600, "hours"], [60, "minutes"]]) {
    if (s >= 2 * unit) return Math.trunc(s / unit) + " " + name;
  }
  return s + " s";
};
const bytes = (n) => {
  n = Math.trunc(n);
  if (n < 1000) return n + " B";
  let tenths = Math.trunc(n / 100);
  let unit = 0;
  for (; tenths >= 10000 && unit < 4; unit++) tenths = Math.trunc(tenths / 1000);
  return count(tenths / 10) + "." + (tenths % 10) + " " + "kMGTP"[unit] + "B";
};
const pins = (p) => {
  const parts = [];
  if (p.cluster_id) parts.push("cluster id " + p.cluster_id);
  if (p.addresses) parts.push("addresses " + list(p.addresses));
  if (p.tls_spki_sha256) parts.push("TLS key " + p.tls_spki_sha256.join(" or "));
  if (parts.length === 0 && !p.unpinned) return "none"; // a directory
  return parts.join("; ");
};
const forms = {
  count, bytes, age, pins,
  join: list,
  percent: (text) => (text === "-" ? "-" : text + " %"),
  counts: (items) => list(items.map((c) => c.name + " " + count(c.records))),
  time: (text) => text.slice(0, 10) + " " + text.slice(11, 19) + " UTC",
  unpinned: (yes) => (yes ? "unpinned" : ""),
  limit: (s) => (s === 0 ? "none" : age(s)),
  ready: (yes) => (yes ? "Ready" : "Not ready"),
  expired: (yes) => (yes ? "too old" : "in use"),
};

// at follows a path such as "totals.records"; undefined where something on it is not there.
function at(value, path) {
  for (const name of path ? path.split(".") : []) value = value == null ? undefined : value[name];
  return value;
}

// write changes only what differs, so that a selection or a screen reader is not disturbed.
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// fill puts data into the elements below root that do not belong to a row of a list.
function fill(root, data, before, seconds) {
  for (const e of root.querySelectorAll("[data-field]")) {
    if (root === document && e.closest("[data-list]")) continue;
    const value = at(data, e.dataset.field);
    if (value === undefined && e.dataset.field.includes(".")) continue; // inside an optional part that is not there
    const form = forms[e.dataset.as] || String;
    write(e, value == null ? "" : form(value));
    if ("value" in e.dataset) e.dataset.value = String(value);
  }
  for (const e of root.querySelectorAll("[data-rate]")) {
    if (root === document && e.closest("[data-list]")) continue;
    const now = at(data, e.dataset.rate);
    const then = at(before, e.dataset.rate) || 0;
    write(e, seconds > 0 ? forms[e.dataset.as](Math.max(0, now - then) / seconds) : "-");
  }
}

function fillList(body, items, itemsBefore, seconds) {
  const blank = document.getElementById("row-" + body.dataset.row).content.firstElementChild;
  while (body.children.length > items.length) body.lastElementChild.remove();
  items.forEach((item, i) => {
    const row = body.children[i] || body.appendChild(blank.cloneNode(true));
    const keys = (row.dataset.key || "").split(" ");
    const before = itemsBefore.find((other) => keys.every((k) => other[k] === item[k]));
    if (row.matches("[data-field]")) write(row, item);
    else fill(row, item, before, seconds);
  });
}

let samples = [];

function show(status) {
  const now = Date.parse(status.at);
  samples = samples.filter((s) => s.status.started === status.started && s.at < now && now - s.at <= span);
  const first = samples[0] || { at: now, status: {} };
  samples.push({ at: now, status });
  const seconds = (now - first.at) / 1000;
  fill(document, status, first.status, seconds);
  for (const body of document.querySelectorAll("[data-list]")) {
    fillList(body, at(status, body.dataset.list) || [], at(first.status, body.dataset.list) || [], seconds);
  }
  for (const e of document.querySelectorAll("[data-empty]")) e.hidden = at(status, e.dataset.empty).length > 0;
  for (const e of document.querySelectorAll("[data-optional]")) e.hidden = at(status, e.dataset.optional) == null;
}

async function poll() {
  if (!document.hidden) {
    const stale = document.getElementById("stale");
    try {
      const answer = await fetch("status.json", { cache: "no-store", signal: AbortSignal.timeout(10 * every) });
      if (!answer.ok) throw new Error(answer.statusText);
      show(await answer.json());
      write(stale, "");
      delete document.body.dataset.stale;
    } catch {
      write(stale, "No answer any more: what follows is of the time above.");
      document.body.dataset.stale = "";
    }
  }
  setTimeout(poll, every);
}

poll();
