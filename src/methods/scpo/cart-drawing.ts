import { safeZone, trackEnd } from "./environments/cart-pole.js";

/** Episodes of the cart that a reader watches, one per policy: states x, speed, theta, spin of each step. */
export interface WatchedCart {
  names: string[];
  /** [policy][step][4] */
  episodes: number[][][];
  /** Of the still: steps that are drawn over each other. */
  step: number;
}

const width = 560;
const rowHeight = 150;
const scale = width / (2 * trackEnd + 1); // pixels per metre
const poleLength = 1; // metres

const middle = (x: number): number => width / 2 + scale * x;

/** A picture without time: of each episode the carts and poles of every so many steps, the later the darker. The green band is where the cart costs nothing. */
export function cartStill({ names, episodes, step }: WatchedCart): string {
  const rows = names.map((name, row) => {
    const states = episodes[row]!;
    const shown = states.flatMap(([x, , theta], t) =>
      t % step === 0 || t === states.length - 1 ? [cart(x!, theta!, 0.15 + (0.85 * t) / states.length)] : [],
    );
    return `<g transform="translate(0 ${row * rowHeight})">${track(name, states.length - 1)}${shown.join("")}</g>`;
  });
  const words = `Carts of ${names.join(", ")} on their tracks, each at several moments of an episode.`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${names.length * rowHeight}" width="${width}" role="img" aria-label="${words}" font-family="Arimo, Arial, sans-serif" font-size="13">${rows.join("")}</svg>`;
}

const track = (name: string, steps: number): string =>
  `<text x="6" y="16" fill="#24292f">${name}, ${steps} steps</text>` +
  `<rect x="${middle(-safeZone)}" y="88" width="${2 * scale * safeZone}" height="8" fill="#009E73"/>` +
  `<line x1="${middle(-trackEnd)}" x2="${middle(trackEnd)}" y1="92" y2="92" stroke="#24292f"/>`;

function cart(x: number, theta: number, opacity: number): string {
  const [left, top] = [middle(x), 84];
  const tip = [left + 0.6 * scale * poleLength * Math.sin(theta), top - 0.6 * scale * poleLength * Math.cos(theta)];
  return (
    `<g opacity="${opacity.toFixed(2)}"><rect x="${(left - 12).toFixed(1)}" y="${top - 5}" width="24" height="10" fill="#0072B2"/>` +
    `<line x1="${left.toFixed(1)}" y1="${top}" x2="${tip[0]!.toFixed(1)}" y2="${tip[1]!.toFixed(1)}" stroke="#D55E00" stroke-width="3"/></g>`
  );
}

/** The page's side of the animation (anywidget): the same drawing step by step, 50 steps per second as in the environment, from the state `names` and `episodes`. */
export const cartModule = `
const middle = (x) => ${width / 2} + ${scale} * x;
export default {
  render({ model, el }) {
    const names = model.get("names"), episodes = model.get("episodes");
    const canvas = document.createElement("canvas");
    canvas.width = ${width};
    canvas.height = names.length * ${rowHeight};
    const button = document.createElement("button");
    button.textContent = "Again";
    el.append(canvas, button);
    const pen = canvas.getContext("2d");
    pen.font = "13px Arial";
    let begun = performance.now(), frame = 0;
    button.onclick = () => { begun = performance.now(); cancelAnimationFrame(frame); draw(); };
    function draw() {
      const t = Math.floor((performance.now() - begun) / 20);
      const ink = getComputedStyle(el).color; // of the page's theme, light or dark
      pen.clearRect(0, 0, canvas.width, canvas.height);
      names.forEach((name, row) => {
        const states = episodes[row], at = Math.min(t, states.length - 1), [x, , theta] = states[at];
        const top = row * ${rowHeight} + 84, length = 0.6 * ${scale * poleLength};
        pen.fillStyle = ink;
        pen.fillText(name + ", step " + at, 6, top - 68);
        pen.fillStyle = "#009E73";
        pen.fillRect(middle(-${safeZone}), top + 4, ${2 * scale * safeZone}, 8);
        pen.fillStyle = ink;
        pen.fillRect(middle(-${trackEnd}), top + 7.5, ${2 * scale * trackEnd}, 1);
        pen.fillStyle = Math.abs(x) > ${safeZone} ? "#D55E00" : "#0072B2";
        pen.fillRect(middle(x) - 12, top - 5, 24, 10);
        pen.strokeStyle = "#D55E00";
        pen.lineWidth = 3;
        pen.beginPath();
        pen.moveTo(middle(x), top);
        pen.lineTo(middle(x) + length * Math.sin(theta), top - length * Math.cos(theta));
        pen.stroke();
      });
      if (episodes.some((states) => t < states.length)) frame = requestAnimationFrame(draw);
    }
    draw();
    return () => cancelAnimationFrame(frame);
  },
};
`;
