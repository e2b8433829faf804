// The queue by keyboard: what is shown is held (claimed), what comes next is here already, a decision
// shows it at once while the server is told. Whatever the server refuses comes back with its reason.
"use strict";

(() => {
  const desk = document.getElementById("desk");
  const list = document.getElementById("items");
  const review = document.getElementById("review");
  const start = review.firstElementChild;
  const dialogs = Object.fromEntries(["reject", "revise", "edit", "bulk", "keys"].map((id) => [id, document.getElementById(id)]));
  const may = desk.dataset.may === "yes";
  const PRELOADED = 3, UNDO_MS = 10000, RENEW_MS = 60000, IDLE_MS = 180000;

  let current = null; // {id, item, claim, node, shown}: what is under review
  let pressed = 0; // when the key was pressed that shows the next entry
  let active = Date.now();
  const ready = new Map(); // id -> promise of a document fragment
  const decided = []; // what may still be undone, newest last

  const items = () => [...list.querySelectorAll("li.item")];
  const itemOf = (id) => list.querySelector(`li.item[data-id="${CSS.escape(id)}"]`);
  const articleOf = (one) => one?.node.querySelector("article");
  const heldByOther = (item) => item.dataset.claim && item.dataset.claim !== desk.dataset.me;

  // --- what comes next ---------------------------------------------------------------------------

  function load(id) {
    if (!ready.has(id)) {
      ready.set(id, whetstone.get(`/queue/${encodeURIComponent(id)}`).then(async (answer) => {
        const holder = document.createElement("div");
        holder.innerHTML = await answer.text();
        whetstone.localTimes(holder);
        return holder;
      }).catch((error) => { ready.delete(id); throw error; }));
    }
    return ready.get(id);
  }

  function preload(after) {
    const all = items();
    const from = all.indexOf(after) + 1;
    all.slice(from, from + PRELOADED + 2).filter((one) => !heldByOther(one)).slice(0, PRELOADED).forEach((one) => load(one.dataset.id).catch(() => {}));
    if (all.length - from < 15) more();
  }

  let fetching = null;
  const late = []; // what happened while more was being fetched
  function more() {
    const last = list.querySelector("li.more");
    if (!last || fetching) return fetching || Promise.resolve();
    late.length = 0;
    fetching = whetstone.get(last.dataset.next).then(async (answer) => {
      const holder = document.createElement("ol");
      holder.innerHTML = await answer.text();
      for (const one of holder.querySelectorAll("li.item")) if (itemOf(one.dataset.id) || decided.some((was) => was.id === one.dataset.id)) one.remove();
      whetstone.localTimes(holder);
      last.replaceWith(...holder.children);
      late.forEach(happened);
    }).finally(() => { fetching = null; });
    return fetching;
  }

  // --- showing and holding -----------------------------------------------------------------------

  async function open(item, { step = 1 } = {}) {
    if (!item) return finish();
    const one = { id: item.dataset.id, item, claim: null, node: null, shown: 0, token: null };
    leave();
    current = one;
    desk.classList.add("reading");
    for (const other of items()) other.classList.toggle("current", other === item);
    item.scrollIntoView({ block: "nearest" });
    if (may) hold(one, step);
    let node;
    try { node = await load(one.id); } catch { whetstone.toast("The server does not answer. Try again.", { tone: "poor" }); return; }
    if (current !== one) return;
    one.node = node;
    ready.delete(one.id);
    review.replaceChildren(node);
    one.shown = performance.now();
    lease(one);
    if (pressed) {
      const began = pressed;
      pressed = 0;
      requestAnimationFrame(() => requestAnimationFrame(() => performance.measure("next-shown", { start: began, end: performance.now() })));
    }
    scrollTo({ top: 0 });
    if (!document.querySelector("dialog[open]")) review.focus({ preventScroll: true });
    preload(item);
  }

  function hold(one, step = 0) {
    one.claim = whetstone.post(`/queue/${encodeURIComponent(one.id)}/claim`, {}).then(async (answer) => {
      if (!answer.ok) throw new Error(await whetstone.problem(answer));
      const claim = await answer.json();
      one.token = claim.claim_token;
      one.until = Date.parse(claim.expires_at);
      mark(one.item, desk.dataset.me);
      lease(one);
      return claim.claim_token;
    });
    one.claim.catch((error) => {
      if (current !== one || one.sent) return;
      whetstone.toast(error.message, { tone: "poor" });
      one.claim = null;
      if (step) next(step);
    });
    return one.claim;
  }

  function lease(one) {
    const place = one.node?.querySelector("#lease");
    if (!place || !one.until) return;
    const over = one.until <= Date.now();
    place.textContent = over ? "Your hold is over: press Enter to hold it again" : `held for you until ${new Date(one.until).toLocaleTimeString(undefined, { timeStyle: "short" })}`;
    place.classList.toggle("poor-text", over);
  }

  function leave() {
    if (current && current.token && !current.sent) {
      const { id, token, item } = current;
      mark(item, "");
      whetstone.post(`/queue/${encodeURIComponent(id)}/release`, { claim_token: token }, { keepalive: true }).catch(() => {});
    }
    current = null;
  }

  function next(step) {
    const all = items();
    let at = current ? all.indexOf(current.item) + step : 0;
    while (all[at] && heldByOther(all[at])) at += step;
    if (all[at]) return open(all[at], { step });
    if (step > 0 && list.querySelector("li.more")) return further();
    return step > 0 ? finish() : undefined;
  }

  // A page may bring nothing that fits and still not be the last: then going on is asked for.
  function further() {
    const known = new Set(items());
    return more().then(() => {
      const fresh = items().find((one) => !known.has(one) && !heldByOther(one));
      return fresh ? open(fresh) : finish();
    });
  }

  function finish() {
    leave();
    desk.classList.remove("reading");
    const left = items().length, rest = list.querySelector("li.more");
    const box = document.createElement("div");
    box.className = "empty";
    const title = document.createElement("p");
    title.className = "empty-title";
    title.textContent = rest ? "Nothing fits so far" : left ? "That was the last of this list" : "All done";
    const words = document.createElement("p");
    words.textContent = rest ? `${rest.querySelector(".hint")?.textContent || ""} Press Enter to look further.` : left ? "What is left was skipped or is with somebody else. Press Enter to go through it again." : "Nothing waits any more. New entries appear by themselves.";
    box.append(title, words);
    if (rest) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "primary";
      button.dataset.do = "further";
      button.textContent = "Look further";
      box.append(button);
    }
    review.replaceChildren(box);
  }

  function close() {
    leave();
    desk.classList.remove("reading");
    items().forEach((one) => one.classList.remove("current"));
    if (start) review.replaceChildren(start);
  }

  function mark(item, who) {
    item.dataset.claim = who;
    const place = item.querySelector(".held");
    place.hidden = !who;
    place.textContent = who === desk.dataset.me ? "with you" : who ? `with ${who}` : "";
  }

  // --- deciding ----------------------------------------------------------------------------------

  const WORDS = { approve: "Approved", reject: "Rejected", "request-revision": "Asked for a revision", edit: "Approved your edit" };

  function decide(action, fields = {}) {
    const one = current, article = articleOf(one);
    if (!article || article.dataset.state !== "pending_approval" || one.sent) return;
    pressed = performance.now();
    one.sent = true;
    const seen = { revision: article.dataset.revision, content_hash: article.dataset.hash };
    const words = Number(article.dataset.words);
    const was = { id: one.id, action, item: one.item, at: Date.now(), topic: article.querySelector("h2").textContent, after: one.item.nextElementSibling };
    const took = (performance.now() - one.shown) / 1000;
    const all = items();
    let at = all.indexOf(one.item) + 1;
    while (all[at] && heldByOther(all[at])) at += 1;
    one.item.remove();
    ready.delete(one.id);
    current = null;
    decided.push(was);
    if (decided.length > 20) decided.shift();
    was.done = send(one, action, { ...seen, ...fields });
    was.done.then(
      (answer) => {
        was.revision = answer.revision;
        count(action, took, words);
        const half = action !== "reject" && action !== "request-revision" && answer.state === "pending_approval";
        was.close = whetstone.toast(half ? `First of two approvals: ${was.topic}` : `${WORDS[action]}: ${was.topic}`, { action: { label: "Undo (u)", run: () => undo(was) }, seconds: UNDO_MS / 1000 });
        const others = document.querySelectorAll("#toasts .toast:not(.poor)");
        if (others.length > 2) others[0].remove();
      },
      (error) => {
        decided.splice(decided.indexOf(was), 1);
        back(was);
        whetstone.toast(`${was.topic}: ${error.message}`, { tone: "poor", seconds: 12 });
      },
    );
    if (all[at]) open(all[at]);
    else if (list.querySelector("li.more")) further();
    else finish();
  }

  async function send(one, action, fields) {
    const token = one.token ?? (await (one.claim ?? hold(one)));
    const answer = await whetstone.post(`/queue/${encodeURIComponent(one.id)}/${action}`, { ...fields, claim_token: token }, { keepalive: true });
    if (!answer.ok) throw new Error(await whetstone.problem(answer));
    return answer.json();
  }

  function back(was) {
    if (itemOf(was.id)) return itemOf(was.id);
    mark(was.item, "");
    if (was.after && was.after.isConnected) was.after.before(was.item);
    else list.prepend(was.item);
    return was.item;
  }

  async function undo(was = decided[decided.length - 1]) {
    if (!was || Date.now() - was.at > UNDO_MS) { whetstone.toast("There is nothing left to undo: ten seconds are over."); return; }
    decided.splice(decided.indexOf(was), 1);
    try { await was.done; } catch { return; }
    was.close?.();
    const answer = await whetstone.post(`/queue/${encodeURIComponent(was.id)}/undo`, { revision: was.revision });
    if (!answer.ok) { whetstone.toast(await whetstone.problem(answer), { tone: "poor" }); return; }
    count(was.action, null);
    ready.delete(was.id);
    whetstone.toast(`Undone: ${was.topic}`);
    open(back(was));
  }

  // --- this session ------------------------------------------------------------------------------

  const session = JSON.parse(sessionStorage.getItem("whetstone-session") || '{"began":0,"counts":{},"last":[]}');
  let warned = -20;

  function count(action, took, words = 0) {
    const step = took === null ? -1 : 1;
    session.began ||= Date.now();
    session.counts[action] = (session.counts[action] || 0) + step;
    if (step > 0) session.last = [...session.last, { action, took, words }].slice(-20);
    else session.last.pop();
    sessionStorage.setItem("whetstone-session", JSON.stringify(session));
    progress();
    if (step > 0) caution();
  }

  function progress() {
    const { approve = 0, edit = 0, reject = 0, "request-revision": revision = 0 } = session.counts;
    const total = approve + edit + reject + revision;
    if (!total) return;
    document.getElementById("progress").textContent = `This session: ${total} decided (${approve + edit} approved, ${reject} rejected, ${revision} sent back)`;
  }

  // A reader takes in some 20 words a second at the very most; below that nobody has read.
  function caution() {
    const last = session.last.slice(-8);
    const total = Object.values(session.counts).reduce((sum, one) => sum + one, 0);
    if (last.length < 8 || total - warned < 20) return;
    const middle = (values) => values.sort((one, other) => one - other)[Math.floor(values.length / 2)];
    const fast = middle(last.map((one) => one.took - Math.max(1, one.words / 20))) < 0;
    const uniform = session.last.length === 20 && new Set(session.last.map((one) => one.action)).size === 1 && middle(session.last.map((one) => one.took)) < 4;
    if (!fast && !uniform) return;
    warned = total;
    const note = fast ? "You decide faster than these texts can be read. If they are all alike, “Decide many” shows them together; else take a breath." : "The last twenty decisions were all the same, and quick. Does each still get a look?";
    const place = document.getElementById("caution");
    place.textContent = note;
    place.hidden = false;
    setTimeout(() => { place.hidden = true; }, 20000);
  }

  // --- dialogs -----------------------------------------------------------------------------------

  function ask(name) {
    const article = articleOf(current);
    if (!article || article.dataset.state !== "pending_approval" || !may) return;
    const form = dialogs[name].querySelector("form");
    form.reset();
    if (name === "edit") {
      form.topic.value = article.querySelector("h2").textContent;
      form.content.value = article.querySelector(".raw").value;
    }
    dialogs[name].showModal();
    form.querySelector("input, textarea").focus();
  }

  const SENT = {
    reject: (form) => decide("reject", { code: form.code.value, text: form.text.value }),
    revise: (form) => decide("request-revision", { notes: form.notes.value }),
    edit: (form) => decide("edit", { topic: form.topic.value, content: form.content.value }),
  };
  for (const [name, run] of Object.entries(SENT)) {
    dialogs[name].querySelector("form").addEventListener("submit", () => run(dialogs[name].querySelector("form")));
    dialogs[name].addEventListener("keydown", (event) => {
      const form = dialogs[name].querySelector("form");
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); form.requestSubmit(); return; }
      const code = name === "reject" && event.target.tagName !== "TEXTAREA" && form.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
      if (code) { event.preventDefault(); code.checked = true; form.requestSubmit(); }
    });
  }

  async function bulk(fields) {
    const answer = await whetstone.post("/queue/bulk-preview", fields);
    const body = document.getElementById("bulk-body");
    if (!answer.ok) { whetstone.toast(await whetstone.problem(answer), { tone: "poor" }); return; }
    body.innerHTML = await answer.text();
    htmx.process(body);
    dialogs.bulk.showModal();
  }
  dialogs.bulk.addEventListener("close", () => { if (dialogs.bulk.querySelector("[data-reload]")) location.reload(); });

  // --- keys and buttons --------------------------------------------------------------------------

  const filter = () => new URLSearchParams([...new FormData(document.getElementById("filters"))].filter(([, value]) => value));
  const DO = {
    start: () => (current ? (current.claim === null || current.until <= Date.now()) && may && hold(current) : review.querySelector("[data-do=further]") ? further() : next(1)),
    further,
    open: (event) => { event.preventDefault(); open(event.target.closest("li")); },
    approve: () => decide("approve"),
    reject: () => ask("reject"),
    revise: () => ask("revise"),
    edit: () => ask("edit"),
    skip: () => next(1),
    undo: () => undo(),
    cluster: () => may && articleOf(current)?.querySelector("[data-do=cluster]") && bulk({ scope: "cluster", entry_id: current.id }),
    bulk: () => may && bulk(filter()),
    next: () => next(1),
    previous: () => next(-1),
    details: () => { const all = [...review.querySelectorAll("details.compare")]; const show = all.some((one) => !one.open); all.forEach((one) => { one.open = show; }); },
    search: () => document.getElementById("q").focus(),
    keys: () => dialogs.keys.showModal(),
    close,
  };
  const KEYS = { a: "approve", r: "reject", v: "revise", e: "edit", s: "skip", u: "undo", j: "next", ArrowDown: "next", k: "previous", ArrowUp: "previous", d: "details", c: "cluster", b: "bulk", "/": "search", "?": "keys", Enter: "start", Escape: "close" };
  const DECIDING = new Set(["approve", "reject", "revise", "edit"]);

  document.addEventListener("keydown", (event) => {
    active = Date.now();
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || document.querySelector("dialog[open]")) return;
    if (event.key === "Escape" && whetstone.typing(event)) { event.target.blur(); return; }
    if (whetstone.typing(event) || (event.key === "Enter" && event.target.closest("a, button, summary"))) return;
    const name = KEYS[event.key];
    if (!name || (DECIDING.has(name) && !may)) return;
    event.preventDefault();
    DO[name](event);
  });
  document.addEventListener("click", (event) => {
    active = Date.now();
    const name = event.target.closest("[data-do]")?.dataset.do;
    if (name && !(name === "open" && (event.ctrlKey || event.metaKey || event.shiftKey))) DO[name](event);
    if (event.target.closest(".more a")) { event.preventDefault(); more(); }
  });
  document.getElementById("bulk-open")?.addEventListener("click", DO.bulk);
  document.getElementById("refresh").addEventListener("click", () => location.reload());

  // --- live --------------------------------------------------------------------------------------

  const live = new EventSource(`/queue/live?since=${desk.dataset.since}`);
  const showNew = () => { document.getElementById("fresh").hidden = false; };
  live.addEventListener("waiting", (event) => {
    document.getElementById("waiting").textContent = JSON.parse(event.data).count.toLocaleString(undefined).replaceAll(",", "\u202f");
  });
  live.addEventListener("missed", showNew);
  live.addEventListener("entry", (event) => {
    const one = JSON.parse(event.data);
    if (fetching) late.push(one);
    happened(one);
  });
  function happened({ entry_id: id, kind, who }) {
    const item = itemOf(id), mine = who === desk.dataset.me;
    if (kind === "new" && !item && !mine) showNew();
    if (kind === "edited" || kind === "new") ready.delete(id);
    if (mine || !item) return;
    if (kind === "claimed") mark(item, who);
    if (kind === "free") mark(item, "");
    if (kind !== "decided") return;
    ready.delete(id);
    if (current && current.id === id) {
      whetstone.toast(`${who} has decided this entry.`, { tone: "poor" });
      current.sent = true;
      next(1);
    }
    item.remove();
  }

  setInterval(() => {
    if (!current || !current.token || current.sent) return;
    const soon = current.until - Date.now() < 5 * RENEW_MS;
    if (soon && current.until > Date.now() && Date.now() - active < IDLE_MS && !document.hidden) hold(current);
    lease(current);
  }, RENEW_MS / 4);

  addEventListener("pagehide", () => {
    if (!current || !current.token || current.sent) return;
    navigator.sendBeacon(`/queue/${encodeURIComponent(current.id)}/release`, new URLSearchParams({ claim_token: current.token, csrf: whetstone.csrf }));
  });

  progress();
  const wanted = desk.dataset.open;
  if (wanted) {
    const item = itemOf(wanted);
    if (item) open(item, { step: 0 });
    else load(wanted).then((node) => {
      const article = node.querySelector("article");
      if (!article) { review.replaceChildren(node); return; }
      const added = document.createElement("li"); // the filter does not show it, but the address names it
      added.className = "item";
      added.dataset.id = wanted;
      added.dataset.claim = "";
      added.innerHTML = '<a data-do="open"><span class="item-topic"></span><span class="item-facts"><span class="held" hidden></span></span></a>';
      added.querySelector("a").href = `/queue?open=${encodeURIComponent(wanted)}`;
      added.querySelector(".item-topic").textContent = article.querySelector("h2").textContent;
      list.prepend(added);
      open(added, { step: 0 });
    });
  }
})();
