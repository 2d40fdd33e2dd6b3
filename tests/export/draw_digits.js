// Draws five digits with a simulated mouse, and sends what docs/examples/digits.html answers.
const DIGITS = {
  0: [[[.5,.1],[.3,.2],[.2,.5],[.3,.8],[.5,.9],[.7,.8],[.8,.5],[.7,.2],[.5,.1]]],
  1: [[[.35,.3],[.5,.1],[.5,.9]]],
  3: [[[.25,.15],[.5,.08],[.72,.2],[.7,.38],[.45,.48],[.72,.58],[.78,.75],[.55,.92],[.25,.85]]],
  4: [[[.55,.1],[.2,.6],[.8,.6]],[[.6,.4],[.6,.92]]],
  7: [[[.2,.1],[.8,.1],[.4,.9]],[[.3,.5],[.7,.5]]],
};
while (!document.body.dataset.ready) await new Promise(r => setTimeout(r, 50));
const pad = document.getElementById("pad"), box = pad.getBoundingClientRect(), answer = document.getElementById("answer");
const send = (kind, [x, y]) => pad.dispatchEvent(new PointerEvent(kind, {bubbles: true, clientX: box.left + x*box.width, clientY: box.top + y*box.height}));
const found = {};
for (const [digit, strokes] of Object.entries(DIGITS)) {
  document.getElementById("clear").click();
  for (const stroke of strokes) {
    send("pointerdown", stroke[0]);
    for (let i = 1; i < stroke.length; i++) for (let k = 1; k <= 8; k++) send("pointermove", [0,1].map(a => stroke[i-1][a] + (stroke[i][a]-stroke[i-1][a])*k/8));
    answer.textContent = "";
    send("pointerup", stroke.at(-1));
    while (!answer.textContent) await new Promise(r => setTimeout(r, 50));
  }
  found[digit] = answer.textContent;
}
await fetch("found", {method: "POST", body: JSON.stringify(found)});
