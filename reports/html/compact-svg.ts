/**
 * Rewrites a drawing in fewer bytes that look the same: groups that say nothing go, what neighbours share is said once by a group around
 * them, discs are circles, empty elements close themselves.
 *
 * @param svg sanitised: every tag closed, attributes in double quotes
 */
export function compactSVG(svg: string): string {
  const root: Element = { tag: "", attributes: [], children: [] };
  const open = [root];
  for (const [whole, end, tag, attributes] of svg.matchAll(/<(\/?)([\w-]+)([^<>]*)>|[^<]+/g)) {
    const parent = open.at(-1)!;
    if (tag === undefined) parent.children.push(whole);
    else if (end) {
      if (open.length > 1) open.pop();
    } else {
      const element: Element = { tag, attributes: [...attributes!.matchAll(/[\w:-]+="[^"]*"/g)].map(([pair]) => pair), children: [] };
      parent.children.push(simpler(element));
      if (!attributes!.endsWith("/")) open.push(element);
    }
  }
  return written(root.children);
}

interface Element {
  tag: string;
  /** `name="value"` */
  attributes: string[];
  children: (Element | string)[];
}

/** Vega's symbol of a disc, and where it stands. */
const DISC = /^d="M([\d.]+),0A\1,\1,0,1,1,-\1,0A\1,\1,0,1,1,\1,0"$/;
const PLACE = /^transform="translate\((-?[\d.]+),(-?[\d.]+)\)"$/;
const IDLE = /^(?:transform="translate\(0,0\)"|[xy][12]?="0")$/;

function simpler(element: Element): Element {
  const { tag, attributes } = element;
  if (/^(?:g|line|rect|path)$/.test(tag)) element.attributes = attributes.filter((attribute) => !IDLE.test(attribute));
  const radius = attributes.map((attribute) => DISC.exec(attribute)?.[1]).find(Boolean);
  const place = attributes.map((attribute) => PLACE.exec(attribute)).find(Boolean);
  if (tag !== "path" || !radius || !place) return element;
  const filledOnly = !attributes.some((attribute) => /^(?:stroke|fill-opacity)=/.test(attribute)); // then its fill's opacity says the same, and a group can say it for all
  const others = attributes
    .filter((attribute) => !/^(?:d|transform)=/.test(attribute))
    .map((attribute) => (filledOnly ? attribute.replace(/^opacity=/, "fill-opacity=") : attribute));
  return Object.assign(element, { tag: "circle", attributes: [`cx="${place[1]}"`, `cy="${place[2]}"`, `r="${radius}"`, ...others] });
}

/** What an element hands down to those inside it. */
const INHERITED = /^(?:fill(?:-opacity|-rule)?|stroke(?:-[a-z]+)?|font-[a-z]+|text-anchor|color)=/;

function written(children: readonly (Element | string)[]): string {
  const flat = children.flatMap((child) =>
    typeof child !== "string" && child.tag === "g" && child.attributes.length === 0 ? child.children : [child],
  );
  if (flat.length !== children.length || flat.some((child, i) => child !== children[i])) return written(flat);
  let text = "";
  for (let i = 0; i < flat.length; ) {
    const shared = style(flat[i]!);
    let next = i + 1;
    while (shared && next < flat.length && style(flat[next]!) === shared) next++;
    const run = flat.slice(i, next);
    const grouped = shared && run.length * shared.length > shared.length + "<g ></g>".length;
    text += grouped
      ? `<g ${shared}>${run.map((child) => writtenOne(child, true)).join("")}</g>`
      : run.map((child) => writtenOne(child)).join("");
    i = next;
  }
  return text;
}

/** What may stand in a group, unlike the parts of texts and gradients. */
const DRAWN = /^(?:g|path|line|rect|circle|ellipse|polyline|polygon|text)$/;

/** What an element says that a group can say for it; nothing for one with an id, of which a copy elsewhere would lose it. */
const style = (child: Element | string): string =>
  typeof child === "string" || !DRAWN.test(child.tag) || child.attributes.some((attribute) => attribute.startsWith("id="))
    ? ""
    : child.attributes
        .filter((attribute) => INHERITED.test(attribute))
        .sort()
        .join(" ");

function writtenOne(child: Element | string, plain = false): string {
  if (typeof child === "string") return child;
  const attributes = plain ? child.attributes.filter((attribute) => !INHERITED.test(attribute)) : child.attributes;
  const start = [child.tag, ...attributes].join(" ");
  if (child.children.length === 0) return `<${start}/>`;
  const inside = child.tag === "clipPath" ? child.children.map((inner) => writtenOne(inner)).join("") : written(child.children);
  return `<${start}>${inside}</${child.tag}>`;
}
