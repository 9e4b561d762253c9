/** The numbers that the main thread and the language's thread share, by their places. */
export enum Slot {
  /** The last request for a cell that was given up; those before it were given up or answered. */
  GivenUp,
  /** One of `Preparation`. */
  Preparation,
  /** The number of the question that is being answered; 0 for none. */
  Question,
}

/** What becomes of the check of a cell that waits for its turn. */
export enum Preparation {
  /** There is none. */
  None,
  AtWork,
  GivenUp,
}

/** The memory for `Slot`. */
export const createState = () => new Int32Array(new SharedArrayBuffer(3 * Int32Array.BYTES_PER_ELEMENT));
