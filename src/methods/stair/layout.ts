import { mean } from "../../evaluation/averages.js";
import { judgeAnswer } from "../../exante/judge.js";
import { answerOf } from "../../exante/trace.js";
import type { Tokenizer } from "../../model/tokenizer.js";
import { bestPath, nodeValue, pathTo, stepsTo, type Tree } from "./tree.js";

/** A node as it is drawn: steps to the right, leaves one below the other, a node at the middle of its children. */
export interface DrawnNode {
  /** Steps from the root. */
  x: number;
  /** Counted in leaves from the top. */
  y: number;
  /** Its parent's place; its own for the root. */
  fromX: number;
  fromY: number;
  label: string;
  value: number;
  visits: number;
  /** Whether it is on the path of the highest values. */
  taken: boolean;
}

/** A tree as rows of a figure, in the order of its nodes. @param describe says a node in a word or two */
export function drawnTree(tree: Tree, describe: (node: number) => string): DrawnNode[] {
  const taken = new Set(bestPath(tree));
  const y: number[] = [];
  let leaves = 0;
  const place = (at: number): number => {
    const below = tree.nodes[at]!.children.map(place);
    y[at] = below.length === 0 ? leaves++ : (Math.min(...below) + Math.max(...below)) / 2;
    return y[at]!;
  };
  place(0);
  return tree.nodes.map((node, at) => {
    const x = pathTo(tree, at).length - 1;
    return {
      ...{ x, y: y[at]!, fromX: Math.max(0, x - 1), fromY: y[node.parent ?? at]! },
      ...{ label: describe(at), value: nodeValue(node), visits: node.visits, taken: taken.has(at) },
    };
  });
}

/** Numbers of leaves. */
export const leafCount = ({ nodes }: Tree): number => nodes.filter(({ children }) => children.length === 0).length;

/**
 * What a node's step says, without the words of a prompt or an answer: the first word, the verdict, the path, or what the answer does.
 * @param at "prompt" for the root
 */
export function stepLabel(tree: Tree, at: number, tokenizer: Tokenizer): string {
  if (at === 0) return "prompt";
  const text = tokenizer.decode(stepsTo(tree, at).flatMap(({ ids }) => ids));
  if (tree.nodes[at]!.step!.ended) return judgeAnswer(answerOf(text));
  const said = (tag: string) => text.split(`<${tag}>`).at(-1)!.split(`</${tag}>`)[0]!;
  if (text.includes("</calibrate>")) return /refuse|safe completion|comply/.exec(said("calibrate"))?.[0] ?? "no path";
  if (text.includes("</verify>")) return /does not violate|violates/i.exec(said("verify"))?.[0] ?? "no verdict";
  if (text.includes("</assess>")) return short(said("assess").split(";")[0]!.trim());
  return "no tag";
}

/** A risk's name whole, and the beginning of what a policy without the format wrote in its place. */
const short = (text: string): string => (text.length > 40 ? `${text.slice(0, 39)}…` : text);

/** The tree that shows most: of those with at most so many leaves the one whose nodes' values differ most; the smallest where all have more. @returns its place */
export function tellingTree(trees: readonly Tree[], mostLeaves = 12): number {
  const places = trees.map((_, t) => t);
  const readable = places.filter((t) => leafCount(trees[t]!) <= mostLeaves);
  if (readable.length === 0) return places.reduce((a, b) => (leafCount(trees[b]!) < leafCount(trees[a]!) ? b : a));
  const variance = ({ nodes }: Tree) => {
    const values = nodes.map(nodeValue);
    const centre = mean(values);
    return mean(values.map((v) => (v - centre) ** 2));
  };
  return readable.reduce((a, b) => (variance(trees[b]!) > variance(trees[a]!) ? b : a));
}
