import type { Rng } from "../../../backend/random.js";
import type { Environment } from "./environment.js";

/** Gym's cart-pole (Barto, Sutton and Anderson 1983): metres, seconds, kilograms, newtons. */
const gravity = 9.8;
const cartMass = 1;
const poleMass = 0.1;
const halfLength = 0.5;
const force = 10;
const tau = 0.02;

/** Metres from the middle at which the track ends. */
export const trackEnd = 2.4;

/** Metres from the middle beyond which CartSafe has cost. */
export const safeZone = 1;

/**
 * A step of the cart with its pole by Euler's method, as Gym's CartPole-v1 takes it.
 * @param state x, its speed, theta (0 is upright), its speed
 * @param action 0 pushes to the left, 1 to the right
 */
export function pushed([x, speed, theta, spin]: readonly number[], action: number): [number, number, number, number] {
  const [sin, cos] = [Math.sin(theta!), Math.cos(theta!)];
  const total = cartMass + poleMass;
  const push = ((action === 1 ? force : -force) + poleMass * halfLength * spin! ** 2 * sin) / total;
  const turn = (gravity * sin - cos * push) / (halfLength * (4 / 3 - (poleMass * cos ** 2) / total));
  const acceleration = push - (poleMass * halfLength * turn * cos) / total;
  return [x! + tau * speed!, speed! + tau * acceleration, theta! + tau * spin!, spin! + tau * turn];
}

const near = (rng: Rng): number => 0.1 * rng.uniform() - 0.05;

/** CartPole-v1: 1 for every step until the pole leans by 12 degrees or the track ends, 500 steps at most; 475 on average counts as solved. No cost. */
export const cartPole: Environment = {
  ...{ name: "CartPole-v1", observed: 4, actions: 2, horizon: 500, limit: 1 },
  reset: (rng) => [near(rng), near(rng), near(rng), near(rng)],
  step(before, action) {
    const state = pushed(before, action);
    return { state, reward: 1, cost: 0, done: Math.abs(state[0]) > trackEnd || Math.abs(state[2]) > (12 * Math.PI) / 180 };
  },
  observe: (state) => [...state],
};

/**
 * CartSafe-v0 (gym_safety): the pole hangs down and is to be swung up. Reward 1 + cos(theta), cost 1 where |x| > 1, 300 steps, fewer where the track ends.
 * The observation is ours: cosine and sine in place of the angle, which grows with every turn, and speeds in units of 4.
 */
export const cartSafe: Environment = {
  ...{ name: "CartSafe-v0", observed: 5, actions: 2, horizon: 300, limit: 0.5 },
  reset: (rng) => [near(rng), near(rng), Math.PI + near(rng), near(rng)],
  step(before, action) {
    const state = pushed(before, action);
    const [x, , theta] = state;
    return { state, reward: 1 + Math.cos(theta), cost: Math.abs(x) > safeZone ? 1 : 0, done: Math.abs(x) > trackEnd };
  },
  observe: ([x, speed, theta, spin]) => [x!, speed! / 4, Math.cos(theta!), Math.sin(theta!), spin! / 4],
};
