import sanitizeHTML from "sanitize-html";
import { styleRules } from "../document/svg-parts.js";

/**
 * The last step before anything of a notebook enters a page: only elements and attributes on a list survive. No scripts, no styles, no
 * forms, no embedded pages, nothing that is loaded from elsewhere. Fragments come out balanced.
 */

const MATHML =
  "math mrow mi mo mn ms mtext mspace msup msub msubsup mmultiscripts mprescripts mfrac msqrt mroot mover munder munderover mtable mtr mtd mstyle mpadded mphantom menclose merror semantics".split(
    " ",
  );
const MATHML_ATTRIBUTES =
  "display mathvariant mathsize mathcolor stretchy symmetric fence separator form accent accentunder lspace rspace minsize maxsize movablelimits largeop linethickness columnalign columnspacing rowspacing columnlines rowlines frame displaystyle scriptlevel width height depth voffset notation xmlns".split(
    " ",
  );

const TEXT =
  "p br hr h2 h3 h4 h5 h6 strong em b i u s del ins sub sup small mark q cite code kbd samp var pre blockquote ul ol li dl dt dd a img figure figcaption table caption colgroup col thead tbody tfoot tr th td details summary section div span abbr time".split(
    " ",
  );

const IMAGE = /^data:image\/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]+$/;

const common: sanitizeHTML.IOptions = {
  allowedTags: [...TEXT, ...MATHML],
  allowedAttributes: {
    "*": ["title", "lang", "dir"],
    a: ["href", "rel", "id", "aria-label"],
    img: ["src", "alt", "width", "height"],
    ol: ["start", "reversed"],
    li: ["value"],
    th: ["scope", "colspan", "rowspan", "align"],
    td: ["colspan", "rowspan", "align"],
    details: ["open"],
    time: ["datetime"],
    ...Object.fromEntries(MATHML.map((tag) => [tag, MATHML_ATTRIBUTES])),
  },
  allowedClasses: { th: ["number"], td: ["number"], a: ["external"] },
  allowedSchemes: ["http", "https", "mailto"],
  allowedSchemesByTag: { img: ["data"] },
  allowProtocolRelative: false,
  disallowedTagsMode: "discard",
  nonTextTags: ["script", "style", "textarea", "option", "noscript", "template", "iframe", "object", "title"],
  transformTags: { a: markExternal, h1: "h2" },
  exclusiveFilter: (frame) => frame.tag === "img" && !IMAGE.test(frame.attribs.src ?? ""),
};

/** Links that leave the page say so, and take nothing with them. */
function markExternal(tagName: string, attribs: sanitizeHTML.Attributes): sanitizeHTML.Tag {
  const external = /^https?:/i.test(attribs.href ?? "");
  return { tagName, attribs: external ? { ...attribs, rel: "noopener noreferrer", class: "external" } : attribs };
}

const IDS = ["h2", "h3", "h4", "h5", "h6", "div", "span", "li", "sup"];
const OWN_CLASSES = [
  "equation",
  "equation-number",
  "math",
  "anchor",
  "heading-number",
  "footnote-mark",
  "citation",
  "reference",
  "unresolved",
  "scroll",
  "external",
  "absent",
  "task",
];

const written: sanitizeHTML.IOptions = {
  ...common,
  allowedAttributes: {
    ...common.allowedAttributes,
    ...Object.fromEntries(IDS.map((tag) => [tag, ["id", "role", "aria-label", "tabindex"]])),
    pre: ["tabindex"],
    "*": ["title", "lang", "dir"],
  },
  allowedClasses: {
    ...Object.fromEntries([...IDS, "a"].map((tag) => [tag, OWN_CLASSES])),
    span: [...OWN_CLASSES, ..."ksncft"],
    code: ["language-*"],
    th: ["number"],
    td: ["number"],
  },
};

/** HTML that this package has made of Markdown: ids and own classes stay. */
export const sanitizeMarkdown = (html: string): string => sanitizeHTML(html, written);

/**
 * HTML that a cell has shown: neither ids nor classes, which belong to the page. Cleaned twice: tags that the first time takes out can hide
 * how others nest.
 */
export const sanitizeOutput = (html: string): string => sanitizeHTML(sanitizeHTML(html, common), common);

const SVG_TAGS =
  "svg g path rect line circle ellipse polyline polygon text tspan defs use symbol image clipPath linearGradient radialGradient stop title desc".split(
    " ",
  );
const SVG_ATTRIBUTES =
  "id transform d x y x1 y1 x2 y2 cx cy r rx ry dx dy width height viewBox preserveAspectRatio points fill fill-opacity fill-rule clip-path clip-rule clipPathUnits stroke stroke-width stroke-opacity stroke-dasharray stroke-dashoffset stroke-linecap stroke-linejoin stroke-miterlimit opacity color font-family font-size font-weight font-style text-anchor dominant-baseline letter-spacing word-spacing textLength lengthAdjust rotate offset stop-color stop-opacity gradientUnits gradientTransform fx fy spreadMethod visibility display vector-effect paint-order shape-rendering image-rendering overflow href xmlns".split(
    " ",
  );
/** Attributes that a picture may also have as a style. */
const STYLES = new Set(
  SVG_ATTRIBUTES.filter((name) =>
    /^(?:fill|stroke|font|text-anchor|dominant|letter|word|stop|clip|opacity|color|visib|displ|paint|image|overflow)/.test(name),
  ),
);

/** The declarations of a `style` that can be attributes, which win as they do in a browser. */
const declarations = (style: string): [name: string, value: string][] =>
  style.split(";").flatMap((part): [string, string][] => {
    const colon = part.indexOf(":");
    const name = part.slice(0, Math.max(colon, 0)).trim().toLowerCase();
    const value = part
      .slice(colon + 1)
      .split("!")[0]!
      .trim();
    return STYLES.has(name) && value ? [[name, value]] : [];
  });

const LOCAL_URL = /^url\(#[A-Za-z][\w-]*\)$/;

/** A part of the picture that is drawn again, or pixels within it; undefined for what lies elsewhere. */
function reference(tagName: string, value: string, prefix: string): string | undefined {
  if (tagName === "image") return IMAGE.test(value.replace(/\s+/g, "")) ? value.replace(/\s+/g, "") : undefined;
  return /^#[A-Za-z][\w-]*$/.test(value) ? `#${prefix}${value.slice(1)}` : undefined;
}

/** What stands for nothing without its element: it goes with its content. What such parts do for a picture is told by `svgParts`. */
const CONTAINERS = "foreignObject foreignobject animate set metadata marker mask pattern filter".split(" ");

/**
 * SVG for a place inside a page: drawing and text only, ids with a prefix of their own so that two pictures do not mix, references only to
 * the picture itself, pixels only where it carries them.
 *
 * @param prefix of the ids, `[a-z0-9-]+`
 */
export function sanitizeSVG(svg: string, prefix: string): string {
  const everywhere = declarations(styleRules(svg).all);
  const rename = (tagName: string, attribs: sanitizeHTML.Attributes): sanitizeHTML.Tag => {
    const kept: sanitizeHTML.Attributes = {};
    const root = tagName === "svg" ? everywhere : [];
    for (const [name, value] of [...root, ...Object.entries(attribs), ...declarations(attribs.style ?? "")]) {
      if (/url\s*\(/i.test(value)) {
        if (LOCAL_URL.test(value.trim())) kept[name] = value.trim().replace("#", `#${prefix}`);
      } else if (name === "id") {
        if (/^[A-Za-z][\w-]*$/.test(value)) kept.id = prefix + value;
      } else if (name === "href" || name === "xlink:href") {
        const target = reference(tagName, value, prefix);
        if (target) kept.href = target;
      } else kept[name] = value;
    }
    return { tagName, attribs: kept };
  };
  return sanitizeHTML(svg, {
    allowedTags: SVG_TAGS,
    allowedAttributes: { "*": SVG_ATTRIBUTES },
    allowedSchemes: [],
    allowedSchemesByTag: { image: ["data"] },
    nonTextTags: ["script", "style", "textarea", "option", "noscript", ...CONTAINERS],
    transformTags: { "*": rename },
    exclusiveFilter: ({ tag, attribs }) => (tag === "use" || tag === "image") && !attribs.href,
    parser: { lowerCaseTags: false, lowerCaseAttributeNames: false },
  });
}
