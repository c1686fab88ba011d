"use strict";
(() => {
  const $ = id => document.getElementById(id);
  const kFields = ["size", "num_frames", "num_inference_steps", "recipe", "seed"];
  const kPage = 24;
  const videos = new Map();    // id -> document
  const cards = new Map();     // id -> its element in the gallery
  const waiters = new Map();   // id -> its element in the queue
  const streams = new Map();   // id -> what ends its stream
  let model = null, oldest = null, key = sessionStorage.getItem("wanbench-key") || "";

  // ---- what every request has in common

  async function call(path, options = {}) {
    const headers = new Headers(options.headers);
    if (key) headers.set("Authorization", "Bearer " + key);
    const answer = await fetch(path, {...options, headers});
    if (answer.ok) return answer;
    const problem = await answer.json().catch(() => null);
    const error = new Error(problem ? problem.error.message + (problem.error.advice ? ": " + problem.error.advice : "")
                                    : "the server answered " + answer.status);
    error.status = answer.status;
    throw error;
  }
  const get = async path => (await call(path)).json();

  function say(text, bad = false) {
    $("said").textContent = text;
    $("said").className = bad ? "bad" : "";
  }

  /** An element with attributes and children; texts are only ever texts. */
  function make(name, attributes = {}, ...children) {
    const element = document.createElement(name);
    for (const [attribute, value] of Object.entries(attributes))
      if (attribute === "onclick") element.addEventListener("click", value);
      else if (value !== null && value !== undefined) element.setAttribute(attribute, value);
    element.append(...children.filter(child => child !== null));
    return element;
  }

  function seconds(value) {
    if (value === null || value === undefined) return "–";
    if (value < 1) return Math.round(1000 * value) + " ms";
    if (value < 10) return value.toFixed(1) + " s";
    if (value < 100) return Math.round(value) + " s";
    return Math.floor(value / 60) + ":" + String(Math.round(value % 60)).padStart(2, "0") + " min";
  }

  // ---- what is being made

  function steps(video) {
    const strip = make("div", {class: "strip", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100,
                               "aria-valuenow": video.progress, "aria-label": "Steps"});
    const all = video.steps || 0, done = (video.step_seconds || []).length;
    const marks = Math.min(all, 50);  // of many steps each stands for several: a phone has no room for more
    for (let i = 0; i < marks; ++i) {
      const from = i * all / marks, to = (i + 1) * all / marks;
      strip.append(make("i", {class: to <= done ? "done" : from < video.step && video.step <= to ? "now" : ""}));
    }
    return strip;
  }

  function state(video) {
    const expected = video.expected_seconds === null ? "" : ", about " + seconds(video.expected_seconds);
    if (video.status === "queued")
      return (video.queue_position === 1 ? "next" : "number " + video.queue_position + " in the queue") + expected;
    const rest = video.expected_seconds === null ? null : video.expected_seconds - (Date.now() / 1000 - video.started_at);
    const left = rest === null ? "" : rest < 1 ? ", almost there" : ", " + seconds(rest) + " left";
    const step = video.step ? "step " + video.step + " of " + video.steps : video.stage || "beginning";
    return step + (video.stage && video.step ? " (" + video.stage + ")" : "") + left;
  }

  async function act(button, video, path, method) {
    button.disabled = true;
    try {
      await call("/v1/videos/" + video.id + path, {method});
    } catch (problem) {
      say(problem.message, true);
    }
    await refresh();
    $("prompt").focus();
  }

  /** A rough look at a video that is being made. It may be over by now: what was shown stays. */
  async function preview(video, image) {
    try {
      const url = URL.createObjectURL(await (await call("/v1/videos/" + video.id + "/preview")).blob());
      await new Promise((done, failed) => {
        const next = new Image();
        next.onload = done;
        next.onerror = failed;
        next.src = url;
      });
      image.onload = () => URL.revokeObjectURL(url);
      image.src = url;
      image.alt = "Rough preview after step " + video.preview_step;
      image.hidden = false;
    } catch (problem) {
      // The next step has another.
    }
  }

  /** Made once, then changed in place: a button must not go away under a finger. */
  function waiting(video) {
    const cancel = make("button", {type: "button", "aria-label": "Cancel: " + video.prompt,
                                   onclick: () => act(cancel, video, "/cancel", "POST")}, "Cancel");
    const text = make("p", {class: "soft"}), strip = make("div"), look = make("img", {class: "look", alt: "", hidden: ""});
    const item = make("li", {}, make("h3", {}, video.prompt), make("div", {class: "row"}, text, cancel), strip, look);
    let seen = null, isAsked = false;  // one at a time: an older picture must not replace a newer one
    return {item, update(now) {
      text.textContent = state(now);
      if (!isAsked && now.preview_step && now.preview_step !== seen) {
        seen = now.preview_step;
        isAsked = true;
        preview(now, look).finally(() => isAsked = false);
      }
      strip.replaceChildren(...(now.status === "in_progress" ? [steps(now)] : []));
    }};
  }

  // ---- what is there

  function facts(video) {
    const list = make("dl");
    const add = (name, value) => value === null || value === undefined ? 0
      : list.append(make("dt", {}, name), make("dd", {}, String(value)));
    add("Size", video.size + ", " + video.num_frames + " frames");
    add("Made in", video.inference_time_s === undefined ? null : seconds(video.inference_time_s));
    add("Steps", video.num_inference_steps + (video.step_seconds && video.step_seconds.length
      ? " of " + seconds(video.step_seconds.reduce((a, b) => a + b, 0) / video.step_seconds.length) : ""));
    add("Memory", video.peak_memory_mb ? video.peak_memory_mb + " MiB of the " + video.peak_memory_of : null);
    add("Energy", video.energy_j ? Math.round(video.energy_j) + " J" : null);
    add("Price", video.price === null || video.price === undefined ? null
      : Number(video.price.toPrecision(3)) + " " + video.price_currency);
    add("Recipe", video.recipe);
    add("Class", video.precision_class);
    add("Seed", video.seed);
    return list;
  }

  async function show(video, holder) {
    const poster = "/v1/videos/" + video.id + "/content?variant=poster", content = "/v1/videos/" + video.id + "/content";
    const player = make("video", {controls: "", loop: "", playsinline: "", preload: "none", "aria-label": video.prompt});
    holder.prepend(player);
    if (!key) {
      player.poster = poster;
      player.src = content;
      return;
    }
    // An element sends no key: what it shows is fetched for it.
    const blob = async path => URL.createObjectURL(await (await call(path)).blob());
    player.poster = await blob(poster);
    player.addEventListener("play", async () => {
      if (player.src) return;
      player.src = await blob(content);
      player.play();
    });
  }

  function ended(video) {
    const remove = make("button", {type: "button", "aria-label": "Delete: " + video.prompt,
                                   onclick: () => act(remove, video, "", "DELETE")}, "Delete");
    const card = make("article", {"data-id": video.id}, make("h3", {}, video.prompt));
    if (video.status === "completed") {
      card.append(facts(video), make("p", {class: "soft"}, "Again: ", make("code", {}, video.repeat_command)));
      const link = make("a", {href: "/v1/videos/" + video.id + "/content", download: video.id + ".mp4"}, "Download");
      card.append(make("div", {class: "row"}, key ? make("span") : link, remove));
      show(video, card).catch(problem => say(problem.message, true));
    } else {
      const why = video.error ? video.error.message + (video.error.advice ? " – " + video.error.advice : "") : "cancelled";
      card.append(make("p", {class: video.error ? "bad" : "soft"}, why), make("div", {class: "row"}, make("span"), remove));
    }
    return card;
  }

  /** Has `holder` show `wanted` in its order, leaving alone what it shows already. */
  function place(holder, wanted, known, create, element) {
    for (const [id, card] of known)
      if (!wanted.some(video => video.id === id)) { element(card).remove(); known.delete(id); }
    let before = null;
    for (const video of wanted) {
      if (!known.has(video.id)) known.set(video.id, create(video));
      const card = element(known.get(video.id)), here = before ? before.nextSibling : holder.firstChild;
      if (card !== here) holder.insertBefore(card, here);
      before = card;
    }
  }

  function draw() {
    const all = [...videos.values()].sort((a, b) => b.created_at - a.created_at || (a.id < b.id ? 1 : -1));
    const open = all.filter(video => video.status === "queued" || video.status === "in_progress");
    open.sort((a, b) => (a.queue_position || 0) - (b.queue_position || 0));
    place($("queue"), open, waiters, waiting, card => card.item);
    for (const video of open) waiters.get(video.id).update(video);
    $("no-queue").hidden = open.length > 0;
    const over = all.filter(video => !open.includes(video));
    $("no-videos").hidden = over.length > 0;
    place($("gallery"), over, cards, ended, card => card);  // a player that is there stays there
  }

  // ---- what changes

  /** Reads the events of one video until it is over. */
  async function follow(id) {
    if (streams.has(id)) return;
    const ending = new AbortController();
    streams.set(id, ending);
    try {
      const reader = (await call("/v1/videos/" + id + "/events", {signal: ending.signal})).body
        .pipeThrough(new TextDecoderStream()).getReader();
      for (let text = "";;) {
        const {value, done} = await reader.read();
        if (done) break;
        text += value;
        for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
          const data = text.slice(0, end).split("\n").find(line => line.startsWith("data: "));
          if (!data) continue;
          const video = JSON.parse(data.slice(6));
          if (video.status) videos.set(id, video); else videos.delete(id);
          draw();
        }
      }
    } catch (problem) {
      // The list says what became of it.
    }
    streams.delete(id);
    await refresh();
  }

  async function refresh() {
    try {
      const page = await get("/v1/videos?limit=" + kPage);
      const ids = new Set(page.data.map(video => video.id));
      for (const [id, video] of videos)  // of those that the page would show, the ones that are gone
        if (!ids.has(id) && (!page.has_more || video.created_at >= page.data[page.data.length - 1].created_at))
          videos.delete(id);
      for (const video of page.data) videos.set(video.id, video);
      if (oldest === null) {
        oldest = page.last_id;
        $("more").hidden = !page.has_more;
      }
      for (const video of page.data) if (video.status === "in_progress") follow(video.id);
      draw();
    } catch (problem) {
      needKey(problem);
    }
  }

  async function older() {
    try {
      const page = await get("/v1/videos?limit=" + kPage + "&after=" + oldest);
      for (const video of page.data) videos.set(video.id, video);
      oldest = page.last_id || oldest;
      $("more").hidden = !page.has_more;
      draw();
    } catch (problem) {
      say(problem.message, true);
    }
  }

  async function readCard() {
    try {
      const text = await (await call("/metrics")).text();
      const value = name => {
        const found = text.match(new RegExp("^wanbench_" + name + "(?:\\{[^}]*\\})? (.+)$", "m"));
        return found ? Number(found[1]) : null;
      };
      const power = value("card_power_watts"), memory = value("card_memory_bytes"), clock = value("card_sm_clock_mhz");
      const own = value("memory_bytes");
      $("card").textContent = power === null && memory === null
        ? "no card; " + Math.round(own / 2 ** 20) + " MiB of memory"
        : [power === null ? null : Math.round(power) + " W", memory === null ? null : (memory / 2 ** 30).toFixed(1) + " GiB",
           clock === null ? null : Math.round(clock) + " MHz"].filter(part => part !== null).join(", ");
    } catch (problem) {
      $("card").textContent = "";
    }
  }

  // ---- the form

  function needKey(problem) {
    if (problem.status === 401) {
      $("key-row").hidden = false;
      say("This server needs an API key.", true);
    } else {
      say(problem.message, true);
    }
  }

  async function begin() {
    try {
      model = (await get("/v1/models")).data[0];
    } catch (problem) {
      return needKey(problem);
    }
    $("model").textContent = model.id + (model.device ? " on " + model.device : "");
    $("size").placeholder = model.size;
    $("num_frames").placeholder = model.num_frames;
    $("num_inference_steps").placeholder = model.num_inference_steps;
    $("recipe").replaceChildren(make("option", {value: ""}, model.recipe),
                                ...model.recipes.filter(name => name !== model.recipe).map(name => make("option", {}, name)));
    $("image-row").hidden = model.takes_input_reference === "never";
    $("image").required = model.takes_input_reference === "required";
    $("image-need").textContent = model.takes_input_reference === "required" ? "" : "(optional)";
    await refresh();
    await readCard();
  }

  $("ask").addEventListener("submit", async event => {
    event.preventDefault();
    const form = new FormData();
    form.append("prompt", $("prompt").value);
    for (const name of kFields) if ($(name).value) form.append(name, $(name).value);
    if ($("image").files.length) form.append("input_reference", $("image").files[0]);
    const button = event.submitter || $("ask").querySelector("button");
    button.disabled = true;
    try {
      const headers = {"Idempotency-Key": crypto.randomUUID ? crypto.randomUUID() : String(Math.random())};
      const video = await (await call("/v1/videos", {method: "POST", body: form, headers})).json();
      say(video.queue_position > 1 ? "Queued as number " + video.queue_position + "." : "It is next.");
      videos.set(video.id, video);
      draw();
      follow(video.id);
    } catch (problem) {
      needKey(problem);
    }
    button.disabled = false;
  });
  $("key").addEventListener("change", () => {
    key = $("key").value;
    sessionStorage.setItem("wanbench-key", key);
    say("");
    begin();
  });
  $("more").addEventListener("click", older);
  setInterval(() => { if (!document.hidden && model) refresh(); }, 5000);
  setInterval(() => { if (!document.hidden && model) readCard(); }, 2000);
  setInterval(() => { if (streams.size) draw(); }, 1000);
  begin();
})();
