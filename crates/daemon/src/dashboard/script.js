// The dashboard: reads the live picture as server-sent events and shows it. Text only ever goes in as text.
"use strict";

const $ = (id) => document.getElementById(id);
const state = { token: sessionStorage.getItem("token") || "", abort: null, history: [], live: null, me: null };

const number = (value, digits = 1) => (value === null || value === undefined ? "–" : Number(value).toFixed(digits));
const bytes = (n) => {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  while (n >= 1024 && at < units.length - 1) { n /= 1024; at += 1; }
  return `${n.toFixed(at ? 1 : 0)} ${units[at]}`;
};
const clock = (ns) => new Date(ns / 1e6).toLocaleTimeString();

function headers(more = {}) {
  return state.token ? { ...more, Authorization: `Bearer ${state.token}` } : more;
}

async function call(method, path, body, type) {
  const plain = body === undefined ? undefined : type ? body : JSON.stringify(body);
  const head = headers(body === undefined ? {} : { "Content-Type": type || "application/json" });
  const response = await fetch(path, { method, headers: head, body: plain });
  const text = await response.text();
  let value = null;
  try { value = text ? JSON.parse(text) : null; } catch { value = { message: text }; }
  if (!response.ok) throw new Error((value && value.message) || response.statusText);
  return value;
}

// A table from rows of cells; a cell is a text, or [text, class].
function table(id, heads, rows) {
  const make = (name, cell) => {
    const element = document.createElement(name);
    const [text, kind] = Array.isArray(cell) ? cell : [cell, ""];
    element.textContent = text;
    if (kind) element.className = kind;
    return element;
  };
  const line = (name, cells) => {
    const row = document.createElement("tr");
    row.append(...cells.map((cell) => make(name, cell)));
    return row;
  };
  const empty = [line("td", ["nothing yet"])];
  $(id).replaceChildren(line("th", heads), ...(rows.length ? rows.map((row) => line("td", row)) : empty));
}

const names = () => Object.fromEntries((state.live ? state.live.tenants : []).map((tenant) => [tenant.id, tenant.name]));

function options(select, values) {
  if ([...select.options].map((option) => option.value).join() === values.join()) return;
  select.replaceChildren(...values.map((value) => new Option(value, value)));
}

function show(live) {
  state.live = live;
  const { status, market, launches } = live;
  const device = status.device;
  $("mode").textContent = status.mode;
  $("version").textContent = `vgpu ${status.version}, up ${Math.round(status.uptime_s)} s`;
  $("utilisation").textContent = `${number(device.utilisation_percent)} %`;
  state.history.push(device.utilisation_percent);
  state.history = state.history.slice(-120);
  line("utilisation-line", state.history);
  $("memory").textContent = bytes(device.memory_used_bytes);
  $("memory-meter").value = device.memory_used_bytes / device.memory_bytes;
  $("memory-meter").title = `of ${bytes(device.memory_bytes)}`;
  $("queue").textContent = `${status.jobs.queued} + ${status.jobs.running}`;
  $("wait").textContent = `waiting + running; wait p50 ${number(launches.wait_p50_ms)} ms, p99 ${number(launches.wait_p99_ms)} ms`;
  $("launches").textContent = `${number(launches.per_second, 0)} /s`;
  $("latency").textContent = `p50 ${number(launches.run_p50_ms)} ms, p99 ${number(launches.run_p99_ms)} ms`;
  $("phase").textContent = device.phase;
  const sensor = (name, found, unit) => `${name} ${found.value === null ? "none" : `${number(found.value)} ${unit}`}`;
  $("sensors").textContent = `${sensor("temperature", device.temperature_c, "°C")}, ${sensor("power", device.power_w, "W")}, pace ${device.pace_permille / 10} %`;
  $("sensors").title = `${device.temperature_c.reason}; ${device.power_w.reason}`;
  $("epoch").textContent = status.epoch;
  $("clearing").textContent = market.epsilon_ppm === null ? "not cleared yet" : `${market.rounds} rounds, within ${market.epsilon_ppm} ppm of equilibrium`;
  shares(live.tenants);
  const right = (value, digits) => [number(value, digits), "n"];
  table("prices", ["resource", ["price", "n"], ["supply", "n"], ""], market.resources.map((resource) => [
    resource.name, right(resource.price, 4), right(resource.supply, 0), resource.halted ? ["halted", "bad"] : "",
  ]));
  const resources = market.resources.map((resource) => resource.name);
  options($("book-resource"), resources);
  options($("order-resource"), resources);
  book(live);
  const name = names();
  table("trades", ["time", "resource", ["units", "n"], ["price", "n"], "from → to"], live.trades.map((trade) => [
    clock(trade.time_ns), trade.resource, right(trade.quantity, 0), right(trade.price, 4),
    `${name[trade.seller] ?? trade.seller} → ${name[trade.buyer] ?? trade.buyer}`,
  ]));
  table("jobs", ["job", "tenant", "kernel", "state", ["ms", "n"], "kind"], live.jobs.map((job) => {
    const took = job.ended_ns && job.started_ns ? (job.ended_ns - job.started_ns) / 1e6 : null;
    const kind = job.state === "done" ? "good" : job.state === "failed" ? "bad" : "";
    return [`${job.id}`, name[job.tenant] ?? `${job.tenant}`, job.request.kernel, [job.error ? `${job.state}: ${job.error.message}` : job.state, kind], right(took), job.classified];
  }));
  table("signals", ["time", "domain", "signal", ["value", "n"]], live.signals.map((signal) => [
    clock(signal.time_ns), signal.domain, signal.source, right(signal.value, 2),
  ]));
  table("decisions", ["#", "by", "change", "outcome"], live.decisions.map((decision) => [
    `${decision.number}`, decision.by, `${decision.change} because ${decision.because}`,
    decision.admitted ? ["admitted", "good"] : [decision.denied, "bad"],
  ]));
  const measures = status.isolation.map((measure) => ["daemon", measure]);
  for (const tenant of live.tenants) measures.push(...tenant.isolation.map((measure) => [tenant.name, measure]));
  table("isolation", ["who", "measure", "state"], measures.map(([who, measure]) => [
    who, measure.name, [`${measure.active ? "on" : "off"}: ${measure.detail}`, measure.active ? "good" : "bad"],
  ]));
  table("errors", ["time", "error"], live.errors.map((error) => [clock(error.time_ns), [error.message, "bad"]]));
}

function line(id, values) {
  const svg = $(id);
  const most = Math.max(100, ...values);
  svg.setAttribute("viewBox", "0 0 119 100");
  svg.setAttribute("preserveAspectRatio", "none");
  const points = values.map((value, at) => `${at + 120 - values.length},${100 - (value / most) * 96}`).join(" ");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
  path.setAttribute("points", points);
  svg.replaceChildren(path);
}

function shares(tenants) {
  $("shares").replaceChildren(...tenants.map((tenant) => {
    const row = document.createElement("div");
    row.className = "share";
    row.dataset.tenant = tenant.name;
    row.dataset.entitled = tenant.entitled_percent;
    const name = document.createElement("strong");
    name.textContent = tenant.name;
    const bars = document.createElement("div");
    bars.className = "bars";
    for (const [kind, percent] of [["entitled", tenant.entitled_percent], ["used", tenant.used_percent]]) {
      const bar = document.createElement("i");
      bar.className = kind;
      bar.style.width = `${Math.min(100, percent)}%`;
      bars.append(bar);
    }
    const text = document.createElement("span");
    text.textContent = `${number(tenant.entitled_percent)} % entitled, ${number(tenant.used_percent)} % used, ${number(tenant.equity, 0)} credits, ${bytes(tenant.memory_bytes)}`;
    row.append(name, bars, text);
    return row;
  }));
}

function book(live) {
  const found = live.books.find((one) => one.resource === $("book-resource").value) || live.books[0];
  if (!found) return;
  const side = (name, levels) => {
    const list = document.createElement("div");
    const head = document.createElement("strong");
    head.textContent = `${name} (epoch ${found.epoch})`;
    list.append(head, ...levels.slice(0, 8).map((level) => {
      const row = document.createElement("div");
      row.textContent = `${level.units} at ${number(level.price, 3)}`;
      return row;
    }));
    if (!levels.length) list.append(document.createElement("br"), "none");
    return list;
  };
  $("book").replaceChildren(side("bids", found.bids), side("asks", found.asks));
}

function connection(kind, text) {
  $("connection").className = `pill ${kind}`;
  $("connection").textContent = text;
}

// Server-sent events by fetch: EventSource cannot send a token.
async function follow() {
  if (state.abort) state.abort.abort();
  const abort = new AbortController();
  state.abort = abort;
  while (!abort.signal.aborted) {
    try {
      const response = await fetch("/api/v1/live", { headers: headers(), signal: abort.signal });
      if (response.status === 401) { connection("lost", "log in with a token"); return; }
      if (!response.ok) throw new Error(response.statusText);
      connection("live", "live");
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        text += value;
        let end;
        while ((end = text.indexOf("\n\n")) >= 0) {
          const data = text.slice(0, end).split("\n").filter((row) => row.startsWith("data:")).map((row) => row.slice(5)).join("\n");
          text = text.slice(end + 2);
          if (data) show(JSON.parse(data));
        }
      }
      throw new Error("the stream ended");
    } catch (error) {
      if (abort.signal.aborted) return;
      connection("lost", `lost: ${error.message}`);
      await new Promise((wake) => setTimeout(wake, 1000));
    }
  }
}

async function login(token) {
  state.token = token;
  state.me = null;
  if (token) {
    try {
      state.me = await call("GET", "/api/v1/me");
      $("who").textContent = state.me.name;
    } catch (error) {
      // The operator is no tenant, and may look all the same.
      const status = await call("GET", "/api/v1/status").catch(() => null);
      if (!status) {
        state.token = "";
        $("who").textContent = error.message;
      } else {
        $("who").textContent = "operator";
      }
    }
  } else {
    $("who").textContent = "";
  }
  sessionStorage.setItem("token", state.token);
  $("logout").hidden = !state.token;
  $("submit-section").hidden = $("order-section").hidden = !state.me;
  follow();
}

async function answer(id, act) {
  try { $(id).textContent = await act(); } catch (error) { $(id).textContent = error.message; }
}

const list = (text) => text.split(/[\s,x]+/).filter(Boolean).map(Number);
const optional = (id) => ($(id).value.trim() === "" ? undefined : Number($(id).value));

$("login").addEventListener("submit", (event) => { event.preventDefault(); login($("token").value.trim()); $("token").value = ""; });
$("logout").addEventListener("click", () => login(""));
$("book-resource").addEventListener("change", () => state.live && book(state.live));
$("job").addEventListener("submit", (event) => {
  event.preventDefault();
  answer("job-answer", async () => {
    const module = await call("POST", "/api/v1/modules", $("ptx").value, "application/octet-stream");
    const kernel = $("kernel").value.trim() || module.kernels[0].name;
    const args = JSON.parse($("args").value || "[]");
    const job = await call("POST", "/api/v1/jobs", { module: module.id, kernel, grid: list($("grid").value), block: list($("block").value), args });
    for (;;) {
      const now = await call("GET", `/api/v1/jobs/${job.id}`);
      $("job-answer").textContent = `job ${now.id}: ${now.state}`;
      if (["done", "failed", "cancelled"].includes(now.state)) {
        return `job ${now.id}: ${now.state}${now.error ? `: ${now.error.message}` : ""}${now.output ? `\n${now.output}` : ""}`;
      }
      await new Promise((wake) => setTimeout(wake, 100));
    }
  });
});
$("order").addEventListener("submit", (event) => {
  event.preventDefault();
  answer("order-answer", async () => {
    const order = { resource: $("order-resource").value, side: $("order-side").value, type: $("order-type").value, quantity: Number($("order-quantity").value), price: optional("order-price"), trigger: optional("order-trigger") };
    const done = await call("POST", "/api/v1/orders", order);
    return `${done.filled} units for ${number(done.value, 2)} credits${done.order ? `; order ${done.order} rests` : ""} (epoch ${done.epoch})`;
  });
});

login(state.token);
