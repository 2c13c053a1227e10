// What happened when: similarity, how sure, and how long it took, over one time line, with the pictures below.
views.when = (host, spec) => {
  const t = keyframes.t, own = spec.own;
  const end = Math.max(1e-3, t[own - 1] ?? 1);
  const span = [-0.01 * end, 1.01 * end];
  const charts = [];
  const tools = make("div", {class: "tools"});
  host.append(tools);
  const film = make("div", {class: "film"});
  let refill = 0;
  const follow = (from) => (view) => {
    charts.forEach((chart, at) => at === from || chart.follow(view.x));
    clearTimeout(refill);
    refill = setTimeout(() => fill(view.x), 80);
  };
  const bands = (u, m) => {
    const c = u.ctx;
    c.globalAlpha = 0.14;
    c.fillStyle = colors.right;
    for (const [from, to] of spec.visits) {
      const left = m.x(t[from]), right = Math.max(m.x(t[to]), left + 2 * m.ratio);
      c.fillRect(left, m.box.top, right - left, m.box.height);
    }
    c.globalAlpha = 1;
    c.fillStyle = colors.missed;
    for (const i of spec.missed) c.fillRect(m.x(t[i]) - m.ratio, m.box.top, 2 * m.ratio, 5 * m.ratio);
    if (chosen >= 0) {
      c.fillStyle = colors.ink;
      for (const i of [pairs.q[chosen], pairs.k[chosen]]) {
        if (i < own) c.fillRect(m.x(t[i]) - 0.5 * m.ratio, m.box.top, m.ratio, m.box.height);
      }
    }
  };
  /** A line with as many points as pixels show: of each column the first, the least, the greatest and the last. */
  const trace = (c, m, xs, ys, color) => {
    c.strokeStyle = color;
    c.lineWidth = 1.3 * m.ratio;
    c.lineJoin = "bevel";
    c.beginPath();
    let open = false, column = null, first, low, high, last;
    const flush = () => {
      if (column == null) return;
      open ? c.lineTo(column, first) : c.moveTo(column, first);
      open = true;
      if (high > low) { c.lineTo(column, low); c.lineTo(column, high); c.lineTo(column, last); }
      column = null;
    };
    for (let i = 0; i < xs.length; i++) {
      const x = Math.round(m.x(xs[i]));
      if (ys[i] == null) { flush(); open = false; continue; }
      // One point beyond either edge, for the line that leads there.
      if (x < m.box.left - 50 && i + 1 < xs.length && m.x(xs[i + 1]) < m.box.left) continue;
      const y = m.y(ys[i]);
      if (x !== column) { flush(); column = x; first = low = high = y; }
      low = Math.min(low, y);
      high = Math.max(high, y);
      last = y;
      if (x > m.box.left + m.box.width + 50) break;
    }
    flush();
    c.stroke();
  };
  /** Dots by color, each pixel once. */
  const marks = (c, m, ids, value, radius) => {
    const r = radius * m.ratio, taken = new Map();
    for (const i of ids) {
      const v = value(i), x = Math.round(m.x(t[pairs.q[i]]));
      if (v == null || x < m.box.left - r || x > m.box.left + m.box.width + r) continue;
      const kind = classOf(i), y = Math.round(m.y(v)), key = x * 65536 + y;
      if (!taken.has(kind)) taken.set(kind, new Map());
      taken.get(kind).set(key, [x, y]);
    }
    for (const [kind, places] of taken) {
      c.fillStyle = colors[kind];
      c.beginPath();
      // Squares where there are too many for their shape to be seen: they are drawn in a third of the time.
      const dense = places.size > 600;
      for (const [x, y] of places.values()) {
        if (dense) c.rect(x - 0.8 * r, y - 0.8 * r, 1.6 * r, 1.6 * r);
        else { c.moveTo(x + r, y); c.arc(x, y, r, 0, 6.3); }
      }
      c.fill();
    }
    if (chosen >= 0 && ids.includes(chosen) && value(chosen) != null) {
      c.fillStyle = colors[classOf(chosen)];
      c.beginPath();
      c.arc(m.x(t[pairs.q[chosen]]), m.y(value(chosen)), 2 * r, 0, 6.3);
      c.fill();
    }
  };
  const all = pairs.q.map((_, i) => i);
  const add = (height, options) => {
    const box = make("div");
    host.append(box);
    const at = charts.length;
    const chart = plane(box, {free: "x", ySize: 72, x: span, height: () => height, moved: follow(at), xValues: clockTick, ...options});
    charts.push(chart);
    return chart;
  };
  const pickPair = (ids, value) => (px, py, m) => {
    const at = nearest(px, py, ids.length, (n) => {
      const v = value(ids[n]);
      return v == null ? null : m.css(m.x(t[pairs.q[ids[n]]]), m.y(v));
    });
    return at == null ? null : ids[at];
  };
  if (spec.best.some((v) => v != null)) {
    const value = (i) => pairs.s[i];
    add(190, {
      label: "Similarity to the most similar older keyframe, over time", yLabel: "similarity",
      y: extent([...spec.best, ...closures.map(value)], 0.08),
      draw(u, m) {
        bands(u, m);
        trace(u.ctx, m, t.slice(0, own), spec.best, colors.accent);
        marks(u.ctx, m, closures, value, 3);
      },
      pick: pickPair(closures, value), peek: pairPeek, click: choose,
    });
  }
  const believed = all.filter((i) => pairs.p[i] != null);
  if (believed.length) {
    const value = (i) => nines(pairs.p[i]);
    add(150, {
      label: "Probability that a compared keyframe shows the same place, over time", yLabel: "how sure",
      y: [-0.3, SURE_TO + 0.4], ySplits: [0, 1, 2, 3, 4, 5, 6], yValues: (v) => ["0", "0.9", "0.99", "0.999", "4 nines", "5 nines", "6 nines"][v],
      draw(u, m) {
        bands(u, m);
        const y = m.y(nines(1 - spec.rate));
        u.ctx.strokeStyle = colors.dim;
        u.ctx.lineWidth = m.ratio;
        u.ctx.setLineDash([4 * m.ratio, 4 * m.ratio]);
        u.ctx.beginPath();
        u.ctx.moveTo(m.box.left, y);
        u.ctx.lineTo(m.box.left + m.box.width, y);
        u.ctx.stroke();
        u.ctx.setLineDash([]);
        marks(u.ctx, m, believed, value, 2.2);
      },
      pick: pickPair(believed, value), peek: pairPeek, click: choose,
    });
  }
  if (spec.latency.some((v) => v != null)) {
    const times = spec.latency_t;
    const sorted = spec.latency.filter((v) => v != null).sort((a, b) => a - b);
    // A slow first image would press everything else flat.
    const most = Math.max(1e-3, 1.35 * sorted[Math.floor(0.98 * (sorted.length - 1))]);
    add(120, {
      label: "Milliseconds from image to answer, over time", yLabel: "ms", y: [0, most],
      draw(u, m) {
        bands(u, m);
        trace(u.ctx, m, times, spec.latency.map((v) => v == null ? null : Math.min(v, most)), colors.held);
      },
    });
  }
  host.append(film);
  const again = new Set(closures.map((i) => pairs.q[i]));
  function fill([from, to]) {
    const slots = Math.max(4, Math.min(14, Math.floor(host.clientWidth / 74)));
    film.replaceChildren();
    let i = 0, previous = -1;
    for (let slot = 0; slot < slots; slot++) {
      const wanted = from + (slot + 0.5) * (to - from) / slots;
      while (i + 1 < own && Math.abs(t[i + 1] - wanted) <= Math.abs(t[i] - wanted)) i++;
      if (i === previous || t[i] == null) continue;
      previous = i;
      const at = i;
      film.append(make("button", {type: "button", class: again.has(at) ? "again" : "", "aria-label": `Keyframe at ${nameOf(at)}`,
        onclick: () => lookAt(at)}, picture(at, ""), make("span", {"aria-hidden": "true"}, clock(t[at]).replace(" s", ""))));
    }
  }
  tools.append(make("span", {class: "tools"}, make("span", {class: "swatch right"}), "revisit found"));
  if (spec.missed.length) tools.append(make("span", {class: "tools"}, make("span", {class: "swatch missed"}), "missed"));
  if (pairs.stage.includes(AGREES) || pairs.stage.includes(SURE)) {
    tools.append(make("span", {class: "tools"}, make("span", {class: "swatch held"}), heldName));
  }
  if (charts.length) tools.append(...zoomTools(charts[0], "time"));
  host.append(make("p", {class: "hint"},
    "Drag to move; click a chart, then the wheel or plus and minus zoom; a double click shows all. The pictures follow."));
  fill(span);
  onChoice(() => charts.forEach((chart) => chart.paint()));
};
const clockTick = (v) => v < 0 ? "" : v < 60 ? `${+v.toFixed(2)} s`
  : `${Math.floor(Math.round(v) / 60)}:${String(Math.round(v) % 60).padStart(2, "0")}`;
