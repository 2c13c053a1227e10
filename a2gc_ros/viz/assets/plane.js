// A plot that can be moved and zoomed, with uPlot for axes and grid; what lies on it is drawn by its owner.

/** Something under the pointer: the nearest of the owner's points within reach. */
const REACH = 14;

function openPeek(host, x, y, ...children) {
  const box = host.peek || (host.peek = host.appendChild(make("div", {class: "peek"})));
  box.replaceChildren(...children);
  box.hidden = false;
  const width = box.offsetWidth, height = box.offsetHeight;
  box.style.left = `${Math.max(0, Math.min(x + 16, host.clientWidth - width))}px`;
  box.style.top = `${y + 16 + height > host.clientHeight && y > height ? y - height - 12 : y + 16}px`;
}
function closePeek(host) {
  if (host.peek) host.peek.hidden = true;
}

/**
 * options: {label, height(width), x: [low, high], y: [low, high], equal, draw(u, map), pick(px, py, map) -> hit,
 * peek(hit) -> [elements], click(hit), xLabel, yLabel, xValues, yValues, free: "x" | "xy"}
 */
function plane(host, options) {
  host.classList.add("plot");
  host.tabIndex = 0;
  host.setAttribute("role", "img");
  host.setAttribute("aria-label", `${options.label}. Keys when focused: plus and minus zoom, arrows move, 0 shows all.`);
  const full = {x: [...options.x], y: [...options.y]};
  let view = {x: [...options.x], y: [...options.y]};
  let hit = null;
  const axis = (label, values, size, splits) => ({
    stroke: () => colors.dim, grid: {stroke: () => colors.line, width: 1}, ticks: {stroke: () => colors.line, width: 1},
    font: "12px system-ui, sans-serif", labelFont: "12px system-ui, sans-serif", label, labelSize: label ? 18 : 0, size,
    ...(values ? {values: (_, splits) => splits.map(values)} : {}), ...(splits ? {splits: () => splits} : {}),
  });
  const size = () => ({width: Math.max(200, host.clientWidth), height: options.height(Math.max(200, host.clientWidth))});
  const plot = new uPlot({
    ...size(), legend: {show: false}, padding: [8, 8, 0, 0],
    cursor: {drag: {x: false, y: false}, points: {show: false}, x: options.cross !== false, y: options.cross !== false},
    scales: {x: {time: false, auto: false, range: () => view.x}, y: {auto: false, range: () => view.y,
      ...(options.flip ? {dir: -1} : {})}},
    axes: [axis(options.xLabel, options.xValues, 34), axis(options.yLabel, options.yValues, options.ySize || 54, options.ySplits)],
    series: [{}, {show: true, paths: () => null, points: {show: false}}],
    hooks: {draw: [(u) => {
      const c = u.ctx, box = u.bbox;
      c.save();
      c.beginPath();
      c.rect(box.left, box.top, box.width, box.height);
      c.clip();
      options.draw(u, mapper(u));
      c.restore();
    }]},
  }, [[view.x[0], view.x[1]], [null, null]], host);

  /** To pixels of the canvas; `css` gives pixels of the page. */
  function mapper(u) {
    const box = u.bbox, ratio = devicePixelRatio;
    const kx = box.width / (view.x[1] - view.x[0]), ky = box.height / (view.y[1] - view.y[0]);
    return {
      kx, ky, ratio, box,
      x: (value) => box.left + (value - view.x[0]) * kx,
      y: (value) => options.flip ? box.top + (value - view.y[0]) * ky : box.top + box.height - (value - view.y[0]) * ky,
      css: (x, y) => [(x - box.left) / ratio, (y - box.top) / ratio],
    };
  }
  /** Makes a metre as long upwards as sideways. */
  function squared({x, y}) {
    if (!options.equal) return {x, y};
    const box = plot.bbox;
    if (!box.width || !box.height) return {x, y};
    const per = Math.max((x[1] - x[0]) / box.width, (y[1] - y[0]) / box.height);
    const spread = (range, pixels) => {
      const middle = (range[0] + range[1]) / 2;
      return [middle - per * pixels / 2, middle + per * pixels / 2];
    };
    return {x: spread(x, box.width), y: spread(y, box.height)};
  }
  const settle = () => plot.batch(() => {
    plot.setScale("x", {min: view.x[0], max: view.x[1]});
    plot.setScale("y", {min: view.y[0], max: view.y[1]});
  });
  const paint = paced(() => { settle(); if (options.moved) options.moved(view); });
  function show(next) { view = next; paint(); }
  function all() { show(squared(full)); }
  function zoom(by, fx = 0.5, fy = 0.5) {
    const scaled = (range, at) => {
      const center = range[0] + at * (range[1] - range[0]);
      return [center - (center - range[0]) * by, center + (range[1] - center) * by];
    };
    const limited = (range, whole) => {
      const most = (whole[1] - whole[0]) * 1.6;
      return range[1] - range[0] > most ? null : range;
    };
    const x = limited(scaled(view.x, fx), squared(full).x);
    if (!x) return all();
    show({x, y: options.free === "x" ? view.y : scaled(view.y, options.flip ? fy : 1 - fy)});
  }
  function move(dx, dy) {
    const w = view.x[1] - view.x[0], h = view.y[1] - view.y[0];
    const up = options.flip ? -dy : dy;
    show({x: [view.x[0] - dx * w, view.x[1] - dx * w], y: options.free === "x" ? view.y
      : [view.y[0] + up * h, view.y[1] + up * h]});
  }

  const over = plot.over;
  over.addEventListener("wheel", (event) => {
    // Without focus the page scrolls on, as people expect.
    if (document.activeElement !== host && !event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const box = over.getBoundingClientRect();
    zoom(event.deltaY > 0 ? 1.2 : 1 / 1.2, (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  }, {passive: false});
  const fingers = new Map();
  let dragged = 0, apart = 0;
  over.style.touchAction = "pan-y";
  over.addEventListener("pointerdown", (event) => {
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
    dragged = 0;
    if (event.pointerType === "mouse") over.setPointerCapture(event.pointerId);
  });
  over.addEventListener("pointermove", (event) => {
    const box = over.getBoundingClientRect();
    const before = fingers.get(event.pointerId);
    if (before && fingers.size === 1) {
      const dx = event.clientX - before[0], dy = event.clientY - before[1];
      dragged += Math.abs(dx) + Math.abs(dy);
      if (dragged > 4) move(dx / box.width, dy / box.height);
    }
    if (before) fingers.set(event.pointerId, [event.clientX, event.clientY]);
    if (fingers.size === 2) {
      const [a, b] = [...fingers.values()];
      const now = Math.hypot(a[0] - b[0], a[1] - b[1]);
      if (apart) zoom(apart / Math.max(now, 1), ((a[0] + b[0]) / 2 - box.left) / box.width,
        ((a[1] + b[1]) / 2 - box.top) / box.height);
      apart = now;
    }
    if (!fingers.size || dragged <= 4) look(event.clientX - box.left, event.clientY - box.top);
  });
  const lift = (event) => { fingers.delete(event.pointerId); apart = 0; };
  over.addEventListener("pointerup", lift);
  over.addEventListener("pointercancel", lift);
  over.addEventListener("pointerleave", () => { closePeek(host); hit = null; });
  over.addEventListener("click", (event) => {
    host.focus({preventScroll: true});
    const box = over.getBoundingClientRect();
    look(event.clientX - box.left, event.clientY - box.top);
    if (dragged <= 4 && hit != null && options.click) options.click(hit);
  });
  over.addEventListener("dblclick", all);
  function look(px, py) {
    if (!options.pick) return;
    hit = options.pick(px, py, mapper(plot));
    over.style.cursor = hit == null ? "crosshair" : "pointer";
    if (hit == null || !options.peek) return closePeek(host);
    const inside = over.getBoundingClientRect(), outside = host.getBoundingClientRect();
    openPeek(host, px + inside.left - outside.left, py + inside.top - outside.top, ...options.peek(hit));
  }
  host.addEventListener("keydown", (event) => {
    const acts = {"+": () => zoom(1 / 1.3), "=": () => zoom(1 / 1.3), "-": () => zoom(1.3), "0": all,
      ArrowLeft: () => move(0.15, 0), ArrowRight: () => move(-0.15, 0), ArrowUp: () => move(0, 0.15),
      ArrowDown: () => move(0, -0.15)};
    if (!acts[event.key] || event.altKey || event.metaKey || event.ctrlKey) return;
    if (event.target !== host) return;
    event.preventDefault();
    event.stopPropagation();
    acts[event.key]();
  });
  new ResizeObserver(paced(() => { plot.setSize(size()); show(squared(view)); })).observe(host);
  onRedraw(() => plot.redraw(false, true));
  requestAnimationFrame(all);
  /** What a chart beside it shows, in the same frame. */
  const follow = (x) => { view = {x: [...x], y: view.y}; settle(); };
  return {plot, all, zoom, follow, view: () => view, paint: () => plot.redraw(false, false),
    range(next) { full.x = [...next.x]; full.y = [...next.y]; all(); }};
}

/** Buttons that do what the wheel does, and one that saves the picture. */
function zoomTools(chart, name) {
  const button = (text, label, act) => make("button", {type: "button", "aria-label": label, title: label, onclick: act}, text);
  return [make("span", {class: "zoom"},
    button("+", "Zoom in", () => chart.zoom(1 / 1.4)),
    button("−", "Zoom out", () => chart.zoom(1.4)),
    button("All", "Show all", () => chart.all()),
    button("PNG", "Save as a picture", () => save(chart.plot.ctx.canvas, name)))];
}
function save(canvas, name) {
  const out = make("canvas", {width: canvas.width, height: canvas.height});
  const c = out.getContext("2d");
  c.fillStyle = colors.card;
  c.fillRect(0, 0, out.width, out.height);
  c.drawImage(canvas, 0, 0);
  out.toBlob((blob) => {
    const link = make("a", {href: URL.createObjectURL(blob), download: `${name}.png`});
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
}

/** Finds the nearest of many points on a canvas within reach of the pointer. */
function nearest(px, py, count, place) {
  let best = null, least = REACH * REACH;
  for (let i = 0; i < count; i++) {
    const at = place(i);
    if (!at) continue;
    const d = (at[0] - px) ** 2 + (at[1] - py) ** 2;
    if (d < least) { least = d; best = i; }
  }
  return best;
}

function extent(values, margin = 0.06) {
  let low = Infinity, high = -Infinity;
  for (const value of values) if (value != null) { low = Math.min(low, value); high = Math.max(high, value); }
  if (low > high) return [0, 1];
  const pad = (high - low) * margin || 1;
  return [low - pad, high + pad];
}

function checkbox(text, swatch, checked, change) {
  const box = make("input", {type: "checkbox", checked});
  box.checked = checked;
  box.addEventListener("change", () => change(box.checked));
  return make("label", {}, box, swatch ? make("span", {class: `swatch ${swatch}`}) : null, text);
}

/** From the fifth to the ninety-fifth hundredth, so that one odd value does not take all colors. */
function heatRange(values) {
  const sorted = values.filter((value) => value != null).sort((a, b) => a - b);
  return [sorted[Math.floor(0.05 * (sorted.length - 1))] ?? 0, sorted[Math.ceil(0.95 * (sorted.length - 1))] ?? 1];
}
function heatKey(values) {
  const [low, high] = heatRange(values);
  const key = rampKey();
  key.replaceChildren(`alike ${fixed(low, 2)}`, key.querySelector("canvas"), fixed(high, 2));
  key.querySelector("canvas").style.transform = "scaleX(-1)";
  return key;
}
function rampKey() {
  const bar = make("canvas", {class: "ramp", width: RAMP.length, height: 1, "aria-hidden": "true"});
  const c = bar.getContext("2d");
  RAMP.forEach((color, i) => { c.fillStyle = color; c.fillRect(i, 0, 1, 1); });
  return make("span", {class: "tools"}, "sure 0.99", bar, "0.999999");
}

/** Words and pictures for a pair under the pointer. */
function pairPeek(pair) {
  const q = pairs.q[pair], k = pairs.k[pair];
  return [picture(q, `At ${nameOf(q)}`), picture(k, `At ${nameOf(k)}`),
    make("div", {}, `${nameOf(q)} looks like ${nameOf(k)}`),
    make("div", {class: "dim"}, `${stageNames[pairs.stage[pair]]}, probability ${probability(pairs.p[pair])}`)];
}
