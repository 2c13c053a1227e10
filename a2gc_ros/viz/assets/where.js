// The path from above, or lifted by time so that laps over the same ground come apart.
views.where = (host, spec) => {
  const shown = {closures: true, held: false, refused: false, missed: true};
  let lifted = false;
  const {x, y} = keyframes, t = keyframes.t;
  const spots = x.map((_, i) => i).filter((i) => x[i] != null && y[i] != null);
  const flat = [extent(spots.map((i) => x[i])), extent(spots.map((i) => y[i]))];
  const wide = Math.max(flat[0][1] - flat[0][0], flat[1][1] - flat[1][0]);
  const last = Math.max(1e-9, ...spots.map((i) => t[i]));
  const onMap = (i) => !spec.heat && keyframes.map[i];
  const place = (i) => {
    if (x[i] == null) return null;
    if (!lifted) return [x[i], y[i]];
    return [x[i] + 0.35 * y[i], 0.35 * y[i] + 0.75 * wide * (onMap(i) ? 0 : t[i] / last)];
  };
  const wanted = (i) => {
    const stage = pairs.stage[i];
    return stage === GIVEN ? shown.closures : stage === COMPARED ? shown.refused : shown.held;
  };
  const missed = new Set(spec.missed || []);
  const known = pairs.right.some((value) => value != null);
  const stroke = (c, m, ids, color, width) => {
    c.beginPath();
    for (const i of ids) {
      const a = place(pairs.q[i]), b = place(pairs.k[i]);
      if (!a || !b) continue;
      c.moveTo(m.x(a[0]), m.y(a[1]));
      c.lineTo(m.x(b[0]), m.y(b[1]));
    }
    c.strokeStyle = color;
    c.lineWidth = width * m.ratio;
    c.stroke();
  };
  const dots = (c, m, ids, color, radius) => {
    c.fillStyle = color;
    c.beginPath();
    for (const i of ids) {
      const p = place(i);
      if (!p) continue;
      const px = m.x(p[0]), py = m.y(p[1]);
      c.moveTo(px + radius * m.ratio, py);
      c.arc(px, py, radius * m.ratio, 0, 6.3);
    }
    c.fill();
  };
  const groups = {refused: [], held: [], wrong: []}, sure = RAMP.map(() => []);
  for (let i = 0; i < pairs.q.length; i++) {
    const kind = classOf(i);
    if (kind === "right") sure[RAMP.indexOf(sureColour(pairs.p[i]))].push(i);
    else groups[kind].push(i);
  }
  const heat = RAMP.map(() => []);
  if (spec.heat) {
    const [low, high] = heatRange(spec.heat);
    spec.heat.forEach((value, i) => {
      if (value != null) heat[Math.max(0, Math.min(RAMP.length - 1, Math.floor((value - low) / (high - low || 1) * RAMP.length)))].push(i);
    });
  }
  const lines = spec.sessions.map(([from, to]) => [from, to]);
  const tools = make("div", {class: "tools"});
  const box = make("div");
  host.append(tools, box);
  const chart = plane(box, {
    label: "Path of the robot from above, with a line for every closure", equal: true, x: flat[0], y: flat[1],
    xLabel: "x [m]", yLabel: "y [m]", height: (w) => Math.min(560, Math.max(280, w * 0.62)),
    draw(u, m) {
      const c = u.ctx;
      c.lineJoin = c.lineCap = "round";
      c.strokeStyle = colors.path;
      c.lineWidth = 4 * m.ratio;
      for (const [from, to] of lines) {
        c.beginPath();
        let open = false;
        for (let i = from; i < to; i++) {
          const p = place(i);
          if (!p) { open = false; continue; }
          if (open) c.lineTo(m.x(p[0]), m.y(p[1]));
          else c.moveTo(m.x(p[0]), m.y(p[1]));
          open = true;
        }
        c.stroke();
      }
      if (spec.heat) heat.forEach((ids, level) => dots(c, m, ids, RAMP[RAMP.length - 1 - level], 3));
      const maps = spots.filter(onMap);
      if (maps.length) dots(c, m, maps, colors.accent, 2);
      if (shown.refused) stroke(c, m, groups.refused, colors.refused, 0.8);
      if (shown.held) stroke(c, m, groups.held, colors.held, 1);
      if (shown.missed) dots(c, m, missed, colors.missed, 3);
      if (shown.closures) {
        sure.forEach((ids, level) => {
          stroke(c, m, ids, RAMP[level], 1.1);
          dots(c, m, ids.map((i) => pairs.q[i]), RAMP[level], 2.6);
        });
        stroke(c, m, groups.wrong, colors.wrong, 2.2);
        dots(c, m, groups.wrong.map((i) => pairs.q[i]), colors.wrong, 4);
      }
      for (const [from] of lines.slice(0, 1)) {
        const p = place(from);
        if (!p) continue;
        c.beginPath();
        c.arc(m.x(p[0]), m.y(p[1]), 5 * m.ratio, 0, 6.3);
        c.fillStyle = colors.card;
        c.fill();
        c.strokeStyle = colors.ink;
        c.lineWidth = 1.5 * m.ratio;
        c.stroke();
        c.fillStyle = colors.ink;
        c.font = `${12 * m.ratio}px system-ui, sans-serif`;
        c.fillText("start", m.x(p[0]) + 8 * m.ratio, m.y(p[1]) - 7 * m.ratio);
      }
      if (chosen >= 0) {
        stroke(c, m, [chosen], colors.ink, 2.4);
        dots(c, m, [pairs.q[chosen], pairs.k[chosen]], colors.ink, 4.5);
      }
    },
    pick(px, py, m) {
      const hit = nearest(px, py, pairs.q.length, (i) => {
        const p = wanted(i) && place(pairs.q[i]);
        return p && m.css(m.x(p[0]), m.y(p[1]));
      });
      if (hit != null) return {pair: hit};
      const spot = nearest(px, py, x.length, (i) => { const p = place(i); return p && m.css(m.x(p[0]), m.y(p[1])); });
      return spot == null ? null : {spot};
    },
    peek: (hit) => hit.pair != null ? pairPeek(hit.pair) : [picture(hit.spot, nameOf(hit.spot)),
      make("div", {}, nameOf(hit.spot) + (missed.has(hit.spot) ? ": missed" : ""))],
    click: (hit) => hit.pair != null ? choose(hit.pair) : lookAt(hit.spot),
  });
  const toggle = (key, text, swatch) => checkbox(text, swatch, shown[key], (on) => { shown[key] = on; chart.paint(); });
  const count = (kind) => kind.length;
  const lift = make("button", {type: "button", "aria-pressed": "false", onclick: () => {
    lifted = !lifted;
    lift.setAttribute("aria-pressed", lifted);
    const placed = spots.map(place);
    chart.range({x: extent(placed.map((p) => p[0])), y: extent(placed.map((p) => p[1]))});
  }}, "Lift by time");
  tools.append(toggle("closures", `${stageNames[GIVEN]} (${closures.length})`, known ? "right" : ""));
  if (groups.wrong.length) tools.append(make("span", {class: "tools"}, make("span", {class: "swatch wrong"}),
    `wrong (${groups.wrong.length})`));
  if (groups.held.length) tools.append(toggle("held", `${heldName} (${count(groups.held)})`, "held"));
  if (groups.refused.length) tools.append(toggle("refused", `${stageNames[COMPARED]} (${count(groups.refused)})`, "refused"));
  if (missed.size) tools.append(toggle("missed", `missed (${missed.size})`, "missed"));
  tools.append(spec.heat ? heatKey(spec.heat) : rampKey(), lift, ...zoomTools(chart, "path"));
  onChoice(() => chart.paint());
};
