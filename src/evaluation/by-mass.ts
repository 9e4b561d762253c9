import * as tf from "@tensorflow/tfjs";
import { type LogitsRule, withLogits } from "../generation/decoding.js";
import type { Policy } from "../generation/policy.js";
import { logOdds, membership, refusalTokens } from "./readout.js";

/** Tokens that the tag `<answer>` may take. */
const tagTokens = 8;

/**
 * The policy with the decision of its answer taken by whole mass. Greedy decoding takes the likeliest token, and there it reads the decision with a bias: refusals begin with one of a few words R, helpful
 * answers with one of hundreds, so "I" can be the likeliest word where refusing is unlikely. Where an answer begins,
 *
 *     P(R) = sum_{v in R} p(v | x, thought, <answer>) ,   the first token is of R if and only if P(R) >= 1/2 ;
 *
 * of those that are left the likeliest is taken, or one is drawn, as the policy does. An answer begins behind `<answer>`, or with the completion, where a thought's `<assess>` has no mass in R and
 * nothing changes. All other tokens are left alone.
 *
 * @throws RangeError for a policy that has a rule over logits already, or a search
 */
export function byMass(policy: Policy): Policy {
  const { model, decoding, name } = policy;
  if (decoding.logits || decoding.search) throw new RangeError(`byMass: ${name} has a rule or a search of its own`);
  const tokens = refusalTokens(model.tokenizer);
  const beginsAnswer = (ids: readonly number[]) => ids.length === 0 || model.tokenizer.decode(ids.slice(-tagTokens)).endsWith("<answer>");
  const rule: LogitsRule = (logits, _, rows) => {
    const here = rows.map(({ ids }) => beginsAnswer(ids));
    return here.includes(true) ? decided(logits, tokens, here) : logits;
  };
  const { logits, identity: ruled } = withLogits(rule, { answers: "by mass", tokens }, decoding.choice);
  const identity = decoding.identity.kind === "plain" ? ruled : { ...ruled, decoding: decoding.identity };
  return { ...policy, name: `${name}-by-mass`, decoding: { ...decoding, logits, identity } };
}

/**
 * Logits in which only tokens of the likelier side are left: of `tokens`, or of all others.
 * @param logits `[B, V]`
 * @param here which rows are decided; the others stay as they are
 */
function decided(logits: tf.Tensor2D, tokens: readonly number[], here: readonly boolean[]): tf.Tensor2D {
  const [B, V] = logits.shape;
  const refuses = tf.expandDims(tf.greaterEqual(logOdds(logits, tokens), 0), 1); // [B, 1]
  const side = tf.equal(membership(tokens, V), tf.cast(refuses, "float32")); // [B, V]
  const other = tf.tensor2d(here.map((is) => !is) as unknown as number[], [B, 1], "bool");
  return tf.where(tf.logicalOr(side, other), logits, tf.fill([B, V], -1e30)) as tf.Tensor2D;
}
